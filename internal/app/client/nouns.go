package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/project"
	"github.com/layercake-app/layercake/internal/run"
)

// Probe asks whether a LayerCake server is there, before anything is entrusted to
// it.
func (c *Client) Probe(ctx context.Context) error {
	_, err := c.ask(ctx, request{method: http.MethodGet, path: "/me"}, nil)
	var r *Refusal
	if errors.As(err, &r) && r.Request != "" && r.Status == http.StatusUnauthorized {
		return nil
	}
	return err
}

// Login begins a session. A wrong password is a fault of kind unauthenticated.
func (c *Client) Login(ctx context.Context, email, password string) (out api.Access, err error) {
	_, err = c.ask(ctx, request{method: http.MethodPost, path: "/auth/login", body: map[string]string{"email": email, "password": password}}, &out)
	return out, err
}

// Register makes an account, where the server allows that, and begins a session.
func (c *Client) Register(ctx context.Context, email, password, name string) (out api.Access, err error) {
	_, err = c.ask(ctx, request{method: http.MethodPost, path: "/auth/register", body: map[string]string{"email": email, "password": password, "name": name}}, &out)
	return out, err
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.ask(ctx, request{method: http.MethodPost, path: "/auth/logout"}, nil)
	return err
}

// Projects lists the projects that the person may see, the newest first. query is
// part of a name or an idea; archived asks for those that were put away instead.
func (c *Client) Projects(ctx context.Context, query string, archived bool) ([]api.ProjectRow, error) {
	q := url.Values{}
	if query != "" {
		q.Set("q", query)
	}
	if archived {
		q.Set("archived", "true")
	}
	return list[api.ProjectRow](ctx, c, "/projects", q)
}

// Project says where a project stands.
func (c *Client) Project(ctx context.Context, id string) (out api.ProjectState, err error) {
	_, err = c.ask(ctx, request{method: http.MethodGet, path: "/projects/" + url.PathEscape(id)}, &out)
	return out, err
}

// Gates lists the gates of a project's newest change with what is unmet.
func (c *Client) Gates(ctx context.Context, projectID string) ([]api.GateState, error) {
	return list[api.GateState](ctx, c, "/projects/"+url.PathEscape(projectID)+"/gates", nil)
}

// Questions lists the questions of a project's newest change, also answered ones.
func (c *Client) Questions(ctx context.Context, projectID string) ([]project.Question, error) {
	return list[project.Question](ctx, c, "/projects/"+url.PathEscape(projectID)+"/questions", nil)
}

// Inbox lists what waits for the person in all projects, the newest first.
func (c *Client) Inbox(ctx context.Context) ([]flow.Waiting, error) {
	return list[flow.Waiting](ctx, c, "/inbox", nil)
}

// Brief returns what a person needs to decide a gate, and the tag that names what
// was seen.
func (c *Client) Brief(ctx context.Context, gateID string) (out api.Brief, tag string, err error) {
	got, err := c.ask(ctx, request{method: http.MethodGet, path: "/gates/" + url.PathEscape(gateID) + "/brief"}, &out)
	return out, got.tag, err
}

// Promise is a condition that goes with an approval.
type Promise struct {
	Text  string `json:"text"`
	Owner string `json:"owner"`
	Due   string `json:"due"`
}

// Decision is a person's word on a gate.
type Decision struct {
	Decision   string    `json:"decision"`
	Comment    string    `json:"comment,omitempty"`
	Target     string    `json:"target,omitempty"`
	DesignID   string    `json:"designId,omitempty"`
	Conditions []Promise `json:"conditions,omitempty"`
}

// Decide decides a gate on what tag names, and on nothing else: when it has
// changed, that is a *Refusal with status 412 and the gate as it is now.
func (c *Client) Decide(ctx context.Context, gateID, tag string, d Decision) (out api.GateState, err error) {
	_, err = c.ask(ctx, request{method: http.MethodPost, path: "/gates/" + url.PathEscape(gateID) + "/decision", ifMatch: tag, body: d, once: true}, &out)
	return out, err
}

// Diff returns what differs between two commits of a project, as git writes it.
func (c *Client) Diff(ctx context.Context, projectID, from, to string) (out api.Diff, err error) {
	_, err = c.ask(ctx, request{method: http.MethodGet, path: "/projects/" + url.PathEscape(projectID) + "/diff", query: url.Values{"from": {from}, "to": {to}}}, &out)
	return out, err
}

// Answer answers a question.
func (c *Client) Answer(ctx context.Context, questionID, text string) (out project.Question, err error) {
	_, err = c.ask(ctx, request{method: http.MethodPost, path: "/questions/" + url.PathEscape(questionID) + "/answer", body: map[string]string{"answer": text}, once: true}, &out)
	return out, err
}

// Runs lists the runs of a project's newest change, oldest first.
func (c *Client) Runs(ctx context.Context, projectID string) ([]run.Run, error) {
	return list[run.Run](ctx, c, "/projects/"+url.PathEscape(projectID)+"/runs", nil)
}

// Run returns a run.
func (c *Client) Run(ctx context.Context, id string) (out run.Run, err error) {
	_, err = c.ask(ctx, request{method: http.MethodGet, path: "/runs/" + url.PathEscape(id)}, &out)
	return out, err
}

// Steps returns the next steps of a run's journal after a number, and whether
// there are more.
func (c *Client) Steps(ctx context.Context, runID string, after int64) (steps []api.StepRow, more bool, err error) {
	const page = "25" // a step may be as large as a file
	q := url.Values{"after": {strconv.FormatInt(after, 10)}, "limit": {page}}
	got, err := c.ask(ctx, request{method: http.MethodGet, path: "/runs/" + url.PathEscape(runID) + "/steps", query: q}, &steps)
	return steps, got.next != "", err
}

// Bundle writes the project's repository to w, as a git bundle.
func (c *Client) Bundle(ctx context.Context, projectID string, w io.Writer) error {
	return c.fetch(ctx, request{method: http.MethodGet, path: "/projects/" + url.PathEscape(projectID) + "/export", query: url.Values{"format": {"bundle"}}}, local{w})
}
