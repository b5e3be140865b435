package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/repo"
)

// EvidenceRoot is where a project's repository carries its evidence. Only the
// platform writes there.
const EvidenceRoot = ".layercake/evidence"

// Statement is the evidence of one decided gate, as the repository carries it
// in EvidenceRoot. Every proof names the SHA-256 of its log, which lies beside.
type Statement struct {
	Version      int           `json:"version"`
	Project      string        `json:"project"`
	Change       int64         `json:"change"`
	Gate         string        `json:"gate"`
	Name         string        `json:"name"`
	Decision     gate.Decision `json:"decision"`
	AutoApproved bool          `json:"autoApproved"`
	Deliverables []Certified   `json:"deliverables"`
	Required     []string      `json:"required"` // the types of proof that the gate asked for
	Proofs       []Evidence    `json:"proofs"`
	Waivers      []gate.Waiver `json:"waivers"`
	Model        string        `json:"model"`
}

// Certified is one file that the decision covers.
type Certified struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Blob string `json:"blob"`
}

// Evidence is one proof as the repository carries it.
type Evidence struct {
	ID              string             `json:"id"`
	Type            string             `json:"type"`
	Source          string             `json:"source"`
	Isolation       string             `json:"isolation"`
	IsolationDetail string             `json:"isolationDetail,omitempty"`
	Command         string             `json:"command"`
	Commit          string             `json:"commit"`
	InputsDigest    string             `json:"inputsDigest"`
	Release         bool               `json:"release,omitempty"`
	Verdict         string             `json:"verdict"`
	Reason          string             `json:"reason"`
	Figures         map[string]float64 `json:"figures"`
	LogSHA256       string             `json:"logSha256"`
	Log             string             `json:"log"`
	EndedAt         db.Time            `json:"endedAt"`
}

// Chain names the last event that the repository's copy of the log contains.
type Chain struct {
	Project string `json:"project"`
	Seq     int64  `json:"seq"`
	Hash    string `json:"hash"`
}

// StatementPath is where the statement of a decision lies.
func StatementPath(change int64, code string, nth int64) string {
	name := code
	if nth > 1 {
		name = fmt.Sprintf("%s-r%d", code, nth)
	}
	return fmt.Sprintf("%s/c%d/%s.json", EvidenceRoot, change, name)
}

// TagName is the tag of a decided gate: gate/G3, gate/G3-r2, c2/gate/G3.
func TagName(change int64, code string, nth int64) string {
	name := "gate/" + code
	if nth > 1 {
		name = fmt.Sprintf("%s-r%d", name, nth)
	}
	if change > 1 {
		name = fmt.Sprintf("c%d/%s", change, name)
	}
	return name
}

// evidenceFiles are what a decision writes into the repository: its statement,
// the logs of its proofs, and the event log so far.
func (f *Flow) evidenceFiles(ctx context.Context, l *look, s *State, v *gate.View, d gate.Decision, put map[string][]byte) error {
	st := Statement{
		Version: 1, Project: s.Project.ID, Change: s.Change.Number, Gate: v.Code, Name: v.Spec.Name, Decision: d,
		AutoApproved: d.Method == gate.Delegated, Deliverables: []Certified{}, Required: requiredTypes(v), Proofs: []Evidence{}, Waivers: append([]gate.Waiver{}, v.Waivers...), Model: f.Model,
	}
	for _, o := range v.Deliverables {
		for _, path := range o.Paths {
			st.Deliverables = append(st.Deliverables, Certified{Name: o.Name, Path: path, Blob: blobOf(l.files, path)})
		}
	}
	for _, r := range v.Required {
		if r.Last == nil {
			continue
		}
		e, err := f.evidenceOf(ctx, r.Last, put)
		if err != nil {
			return err
		}
		st.Proofs = append(st.Proofs, e)
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encode statement of %s: %w", v.Code, err)
	}
	put[StatementPath(s.Change.Number, v.Code, v.Decisions+1)] = append(data, '\n')
	return nil
}

func requiredTypes(v *gate.View) []string {
	types := make([]string, len(v.Required))
	for i, r := range v.Required {
		types[i] = r.Type
	}
	return types
}

func (f *Flow) evidenceOf(ctx context.Context, row *proof.Row, put map[string][]byte) (Evidence, error) {
	e := Evidence{
		ID: row.ID, Type: row.Type, Source: string(row.Source), Isolation: row.Isolation, IsolationDetail: row.IsolationDetail,
		Command: row.Command, Commit: row.Commit, InputsDigest: row.Inputs, Release: row.Release, Verdict: string(row.Verdict),
		Reason: row.Reason, Figures: row.Numbers(), LogSHA256: row.LogSHA256, EndedAt: row.EndedAt,
	}
	if row.LogKey == "" {
		return e, nil
	}
	log, err := f.Blobs.Get(ctx, row.LogKey)
	if err != nil {
		return e, fmt.Errorf("read log of %s: %w", row.ID, err)
	}
	e.Log = EvidenceRoot + "/logs/" + row.LogSHA256 + ".log"
	put[e.Log] = log
	return e, nil
}

// eventFiles are the repository's copy of the event log.
func eventFiles(projectID string, events []event.Event, put map[string][]byte) error {
	var b bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	chain := Chain{Project: projectID}
	if n := len(events); n > 0 {
		chain.Seq, chain.Hash = events[n-1].Seq, events[n-1].Hash
	}
	data, err := json.MarshalIndent(chain, "", "  ")
	if err != nil {
		return fmt.Errorf("encode head of events: %w", err)
	}
	put[EvidenceRoot+"/events.jsonl"] = b.Bytes()
	put[EvidenceRoot+"/head.json"] = append(data, '\n')
	return nil
}

// blobOf is the git blob of a path; files are sorted by path.
func blobOf(files []repo.File, path string) string {
	i, ok := slices.BinarySearchFunc(files, path, func(f repo.File, p string) int {
		switch {
		case f.Path < p:
			return -1
		case f.Path > p:
			return 1
		}
		return 0
	})
	if !ok {
		return ""
	}
	return files[i].Blob
}
