package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

func (s *Server) runRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/runs", id: "list-runs", summary: "The runs of a change, oldest first"}, s.listRuns),
		on(s, about{method: http.MethodGet, path: "/runs/{id}", id: "get-run", summary: "A run"}, s.getRun),
		on(s, about{method: http.MethodPost, path: "/runs/{id}/cancel", id: "cancel-run", summary: "End an agent's run; its gate waits until a person lets the task begin anew", conflicts: true}, s.cancelRun),
		on(s, about{method: http.MethodPost, path: "/runs/{id}/pause", id: "pause-run", summary: "Let an agent stop before its next turn", conflicts: true}, s.onRun(s.Flow.PauseRun)),
		on(s, about{method: http.MethodPost, path: "/runs/{id}/resume", id: "resume-run", summary: "Let a paused agent go on", conflicts: true}, s.onRun(s.Flow.ResumeRun)),
		on(s, about{method: http.MethodPost, path: "/runs/{id}/retry", id: "retry-run", summary: "Begin the task of a failed or cancelled run once more, from a step of its journal", status: http.StatusCreated, conflicts: true}, s.retryRun),
		on(s, about{method: http.MethodGet, path: "/runs/{id}/output", id: "read-output", summary: "What the model of a run has written, from an offset in bytes"}, s.readOutput),
		list(s, about{method: http.MethodGet, path: "/runs/{id}/messages", id: "list-messages", summary: "What people told an agent"}, s.listMessages),
		on(s, about{method: http.MethodPost, path: "/runs/{id}/messages", id: "steer-run", summary: "Tell an agent something before its next turn", status: http.StatusCreated, conflicts: true}, s.steerRun),
		list(s, about{method: http.MethodGet, path: "/runs/{id}/usage", id: "list-usage", summary: "Every model call of a run with its tokens and its cost"}, s.listUsage),
		list(s, about{method: http.MethodGet, path: "/runs/{id}/steps", id: "list-steps", summary: "The journal of a run"}, s.listSteps),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/proofs", id: "list-proofs", summary: "Every proof of a change, oldest first"}, s.listProofs),
		on(s, about{method: http.MethodGet, path: "/proofs/{id}", id: "get-proof", summary: "A proof"}, s.getProof),
		on(s, about{method: http.MethodPost, path: "/proofs/{id}/rerun", id: "rerun-proof", summary: "Ask for a check once more", conflicts: true}, s.rerunProof),
		on(s, about{method: http.MethodGet, path: "/proofs/{id}/log", id: "get-proof-log", summary: "The log of a check"}, s.getProofLog),
	}
}

func (s *Server) listRuns(ctx context.Context, in *OfChange) (page[run.Run], error) {
	return rowsOf(ctx, s, in, func(r run.Run) string { return r.ID }, run.List)
}

// runOf returns a run, for one who may do verb to its project, who is decider.
func (s *Server) runOf(ctx context.Context, verb account.Verb, runID string) (by gate.Decider, r run.Run, err error) {
	a, p, err := s.mayOf(ctx, verb, "run "+runID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		r, err = run.Get(ctx, tx, runID)
		return r.Project, err
	})
	return decider(a, p.Organization), r, err
}

func (s *Server) getRun(ctx context.Context, in *ByID) (run.Run, error) {
	_, r, err := s.runOf(ctx, account.Read, in.ID)
	return r, err
}

// onRun makes a handler of what a person does to a run.
func (s *Server) onRun(do func(ctx context.Context, by gate.Decider, id string) error) func(context.Context, *ByID) (run.Run, error) {
	return func(ctx context.Context, in *ByID) (run.Run, error) {
		by, r, err := s.runOf(ctx, account.Write, in.ID)
		if err != nil {
			return r, err
		}
		if err := do(ctx, by, r.ID); err != nil {
			return r, err
		}
		return s.getRun(ctx, in)
	}
}

func (s *Server) cancelRun(ctx context.Context, in *reasonIn) (run.Run, error) {
	return s.onRun(func(ctx context.Context, by gate.Decider, id string) error {
		return s.Flow.CancelRun(ctx, by, id, in.Body.Reason)
	})(ctx, &in.ByID)
}

type retryRunIn struct {
	ByID
	Body struct {
		Step int64 `json:"step,omitempty" minimum:"0" doc:"Go on from the end of this step; from the beginning when left out."`
	}
}

func (s *Server) retryRun(ctx context.Context, in *retryRunIn) (run.Run, error) {
	by, r, err := s.runOf(ctx, account.Write, in.ID)
	if err != nil {
		return r, err
	}
	return s.Flow.RetryRun(ctx, by, r.ID, in.Body.Step)
}

// OfRun asks for a page of a list of a run.
type OfRun struct {
	ByID
	Paging
}

func (s *Server) listMessages(ctx context.Context, in *OfRun) (page[project.Message], error) {
	return rowsOfRun(ctx, s, in, func(m project.Message) string { return m.ID }, project.Messages)
}

func (s *Server) listUsage(ctx context.Context, in *OfRun) (page[project.Usage], error) {
	return rowsOfRun(ctx, s, in, func(u project.Usage) string { return u.ID }, project.UsageOf)
}

func rowsOfRun[T any](ctx context.Context, s *Server, in *OfRun, name func(T) string, read func(ctx context.Context, tx *db.Tx, runID string) ([]T, error)) (out page[T], err error) {
	_, r, err := s.runOf(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	var all []T
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = read(ctx, tx, r.ID)
		return err
	})
	if err != nil {
		return out, err
	}
	return cut(in.Paging, all, name)
}

type readOutputIn struct {
	ByID
	From  int64 `query:"from" minimum:"0" doc:"Bytes that you have already."`
	Limit int   `query:"limit" minimum:"16" maximum:"1048576" default:"262144" doc:"Bytes of the answer's text, at most."`
}

func (s *Server) readOutput(ctx context.Context, in *readOutputIn) (out run.Output, err error) {
	_, r, err := s.runOf(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = run.ReadOutput(ctx, tx, r, in.From, in.Limit)
		return err
	})
	if err != nil {
		return out, err
	}
	return s.Written(r.ID, out, in.Limit)
}

type steerRunIn struct {
	ByID
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"65536"`
	}
}

func (s *Server) steerRun(ctx context.Context, in *steerRunIn) (project.Message, error) {
	by, r, err := s.runOf(ctx, account.Write, in.ID)
	if err != nil {
		return project.Message{}, err
	}
	return s.Flow.SteerRun(ctx, by, r.ID, in.Body.Text)
}

// StepRow is a step of the journal as the interface shows it.
type StepRow struct {
	run.Step
	Status string `json:"status" enum:"done,failed"`
}

type listStepsIn struct {
	OfRun
	After int64 `query:"after" minimum:"0" doc:"Only steps with a higher number."`
}

func (s *Server) listSteps(ctx context.Context, in *listStepsIn) (out page[StepRow], err error) {
	_, r, err := s.runOf(ctx, account.Read, in.ID)
	if err != nil {
		return out, err
	}
	after, err := in.number(in.After)
	if err != nil {
		return out, err
	}
	var steps []run.Step
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		steps, err = run.StepsAfter(ctx, tx, r.ID, after, in.Limit+1)
		return err
	})
	if len(steps) > in.Limit {
		steps = steps[:in.Limit]
		out.next = cursor(strconv.FormatInt(steps[in.Limit-1].Seq, 10))
	}
	for _, x := range steps {
		row := StepRow{Step: x, Status: "done"}
		if x.IsError {
			row.Status = "failed"
		}
		out.items = append(out.items, row)
	}
	return out, err
}

// ProofRow is a proof as the interface shows it.
type ProofRow struct {
	proof.Row
	Figures map[string]float64 `json:"figures"`
}

func (s *Server) listProofs(ctx context.Context, in *OfChange) (out page[ProofRow], err error) {
	found, err := rowsOf(ctx, s, in, func(r proof.Row) string { return r.ID }, proof.History)
	for _, r := range found.items {
		out.items = append(out.items, proofRow(r))
	}
	out.next = found.next
	return out, err
}

func proofRow(r proof.Row) ProofRow {
	figures := r.Numbers()
	if figures == nil {
		figures = map[string]float64{}
	}
	return ProofRow{Row: r, Figures: figures}
}

// Log is the text that a check wrote.
type Log struct {
	Text   string `json:"text"`
	SHA256 string `json:"sha256" doc:"Of the text, as the proof names it."`
}

func (s *Server) proofOf(ctx context.Context, verb account.Verb, id string) (by gate.Decider, r proof.Row, err error) {
	a, p, err := s.mayOf(ctx, verb, "proof "+id, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		r, err = proof.Get(ctx, tx, id)
		return r.Project, err
	})
	return decider(a, p.Organization), r, err
}

func (s *Server) getProof(ctx context.Context, in *ByID) (ProofRow, error) {
	_, r, err := s.proofOf(ctx, account.Read, in.ID)
	return proofRow(r), err
}

func (s *Server) rerunProof(ctx context.Context, in *ByID) (Done, error) {
	by, r, err := s.proofOf(ctx, account.Write, in.ID)
	if err != nil {
		return Done{}, err
	}
	return Done{Done: true}, s.Flow.Rerun(ctx, by, r.Project, r.Gate, r.Type)
}

func (s *Server) getProofLog(ctx context.Context, in *ByID) (Log, error) {
	_, r, err := s.proofOf(ctx, account.Read, in.ID)
	if err == nil && r.LogKey == "" {
		err = fault.NotFound("proof.no_log", "The proof %s has no log: it is %s, from the %s.", r.Type, r.Status, r.Source)
	}
	if err != nil {
		return Log{}, err
	}
	text, err := s.Blobs.Get(ctx, r.LogKey)
	return Log{Text: string(text), SHA256: r.LogSHA256}, err
}
