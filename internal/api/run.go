package api

import (
	"context"
	"net/http"

	"github.com/layercake-app/layercake/internal/account"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/proof"
	"github.com/layercake-app/layercake/internal/run"
)

func (s *Server) runRoutes() []route {
	return []route{
		list(s, about{method: http.MethodGet, path: "/projects/{id}/runs", id: "list-runs", summary: "The runs of the newest change, oldest first"}, s.listRuns),
		on(s, about{method: http.MethodGet, path: "/runs/{id}", id: "get-run", summary: "A run"}, s.getRun),
		list(s, about{method: http.MethodGet, path: "/runs/{id}/steps", id: "list-steps", summary: "The journal of a run"}, s.listSteps),
		list(s, about{method: http.MethodGet, path: "/projects/{id}/proofs", id: "list-proofs", summary: "Every proof of the newest change, oldest first"}, s.listProofs),
		on(s, about{method: http.MethodGet, path: "/proofs/{id}/log", id: "get-proof-log", summary: "The log of a check"}, s.getProofLog),
	}
}

func (s *Server) listRuns(ctx context.Context, in *ByID) (page[run.Run], error) {
	return newest(ctx, s, in.ID, run.List)
}

func (s *Server) runOf(ctx context.Context, runID string) (r run.Run, err error) {
	_, _, err = s.mayOf(ctx, account.Read, "run "+runID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		r, err = run.Get(ctx, tx, runID)
		return r.Project, err
	})
	return r, err
}

func (s *Server) getRun(ctx context.Context, in *ByID) (run.Run, error) { return s.runOf(ctx, in.ID) }

// StepRow is a step of the journal as the interface shows it.
type StepRow struct {
	run.Step
	Status string `json:"status" enum:"done,failed"`
}

type listStepsIn struct {
	ByID
	After int64 `query:"after" minimum:"0" doc:"Only steps with a higher number."`
	Limit int   `query:"limit" minimum:"1" maximum:"100" default:"100"`
}

func (s *Server) listSteps(ctx context.Context, in *listStepsIn) (out page[StepRow], err error) {
	r, err := s.runOf(ctx, in.ID)
	if err != nil {
		return out, err
	}
	var steps []run.Step
	err = s.DB.Read(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		steps, err = run.StepsAfter(ctx, tx, r.ID, in.After, in.Limit)
		return err
	})
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

func (s *Server) listProofs(ctx context.Context, in *ByID) (out page[ProofRow], err error) {
	found, err := newest(ctx, s, in.ID, proof.History)
	for _, r := range found.items {
		figures := r.Numbers()
		if figures == nil {
			figures = map[string]float64{}
		}
		out.items = append(out.items, ProofRow{Row: r, Figures: figures})
	}
	return out, err
}

// Log is the text that a check wrote.
type Log struct {
	Text   string `json:"text"`
	SHA256 string `json:"sha256" doc:"Of the text, as the proof names it."`
}

func (s *Server) getProofLog(ctx context.Context, in *ByID) (Log, error) {
	var r proof.Row
	_, _, err := s.mayOf(ctx, account.Read, "proof "+in.ID, func(ctx context.Context, tx *db.Tx) (_ string, err error) {
		r, err = proof.Get(ctx, tx, in.ID)
		return r.Project, err
	})
	if err != nil || r.LogKey == "" {
		return Log{}, err
	}
	text, err := s.Blobs.Get(ctx, r.LogKey)
	return Log{Text: string(text), SHA256: r.LogSHA256}, err
}
