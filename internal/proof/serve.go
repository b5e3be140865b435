package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/sandbox"
)

// How long a product may take to answer its health path and one request.
const (
	startLimit   = 20 * time.Second
	requestLimit = 10 * time.Second
	maxBody      = 1 << 20
)

// release is a product that is ready to be started: its files, and for Go the
// folder of its program.
type release struct {
	src, bin string // host folders; bin may be ""
	argv     []string
	tool     *sandbox.Tool
}

// buildRelease builds what serve names. files is the folder the product will
// see as its own.
func (w *work) buildRelease(ctx context.Context) (release, *outcome, error) {
	if out := w.stackKnown(); out != nil {
		return release{}, out, nil
	}
	if w.recipes.Stack == StackNode {
		return w.nodeRelease(ctx)
	}
	p, out, err := w.goProduct(ctx)
	if out != nil || err != nil {
		return release{}, out, err
	}
	only := ""
	if w.recipes.Serve != nil {
		only = w.recipes.Serve.Package
	}
	names, out, err := w.buildPrograms(ctx, p, only)
	if out != nil || err != nil {
		return release{}, out, err
	}
	r := release{src: w.tree.dir, bin: w.tmp + "/bin"}
	if only == "" {
		return r, nil, nil
	}
	if len(names) != 1 {
		out := fail("%s names %s as the program to serve, and there is no main package in it", RecipesPath, only)
		return release{}, &out, nil
	}
	r.argv = []string{"/app/bin/" + names[0]}
	return r, nil, nil
}

// start starts a release with its own data folder and waits for its health.
func (w *work) start(ctx context.Context, rel release, data string) (*sandbox.Service, *outcome, error) {
	serve := w.recipes.Serve
	spec := sandbox.ServiceSpec{Port: serve.Port}
	spec.Argv, spec.Dir = rel.argv, "/app/src"
	spec.Env = []string{"DATA_DIR=/data", "HOST=127.0.0.1"}
	spec.Mounts = []sandbox.Mount{{Host: rel.src, Inside: "/app/src"}, {Host: data, Inside: "/data", Writable: true}}
	if rel.bin != "" {
		spec.Mounts = append(spec.Mounts, sandbox.Mount{Host: rel.bin, Inside: "/app/bin"})
	}
	if rel.tool != nil {
		spec.Tools = []sandbox.Tool{*rel.tool}
	}
	w.log.say("$ PORT=%d DATA_DIR=/data %s", serve.Port, strings.Join(rel.argv, " "))
	begin := time.Now()
	svc, err := w.r.cfg.Sandbox.Start(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	err = svc.Ready(ctx, serve.Health, startLimit)
	if err == nil {
		w.figure("start_ms", float64(time.Since(begin).Milliseconds()))
		w.log.say("GET %s answered after %d ms", serve.Health, time.Since(begin).Milliseconds())
		return svc, nil, nil
	}
	w.stop(svc)
	if fault.KindOf(err) != fault.KindUnavailable {
		return nil, nil, err
	}
	out := fail("%s", fault.Public(err))
	return nil, &out, nil
}

// stop ends a service and keeps what it printed.
func (w *work) stop(svc *sandbox.Service) {
	svc.Stop()
	w.log.say("--- output of the application\n%s\n---", svc.Logs())
}

// exercise makes the requests of the steps and returns what is wrong.
func (w *work) exercise(ctx context.Context, svc *sandbox.Service, steps []Step) []string {
	var problems []string
	for _, s := range steps {
		answer, err := w.request(ctx, svc, s)
		if err != nil {
			w.log.say("%s %s: %s", s.Method, s.Path, err)
			problems = append(problems, fmt.Sprintf("%s %s: %s", s.Method, s.Path, err))
			continue
		}
		w.log.say("%s %s: %s", s.Method, s.Path, answer)
	}
	return problems
}

// maxHops bounds the redirects within the product that a GET follows.
const maxHops = 5

// request makes one request and judges the answer; its error is for people.
func (w *work) request(ctx context.Context, svc *sandbox.Service, s Step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	target := s.Path
	for range maxHops {
		a, err := roundTrip(ctx, svc, s, target)
		if err != nil {
			return "", err
		}
		if next, ok := a.redirect(target); ok && s.Method == http.MethodGet && s.Status == 0 {
			target = next
			continue
		}
		return a.judge(s)
	}
	return "", fmt.Errorf("redirects more than %d times", maxHops)
}

// answer is what came back of a request.
type answer struct {
	status         int
	kind, location string
	body           []byte
}

func roundTrip(ctx context.Context, svc *sandbox.Service, s Step, target string) (answer, error) {
	var payload io.Reader
	if s.Body != "" {
		payload = strings.NewReader(s.Body)
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, "http://localhost"+target, payload)
	if err != nil {
		return answer{}, errors.New("not a request: check the path")
	}
	switch {
	case s.Body == "":
	case json.Valid([]byte(s.Body)):
		req.Header.Set("Content-Type", "application/json")
	default:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := svc.Client().Do(req)
	if err != nil {
		return answer{}, errors.New("no answer")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return answer{}, errors.New("the answer broke off")
	}
	return answer{status: res.StatusCode, kind: res.Header.Get("Content-Type"), location: res.Header.Get("Location"), body: body}, nil
}

// redirect returns the path that an answer sends on to, when it is one of the
// product's own.
func (a answer) redirect(from string) (string, bool) {
	if a.status/100 != 3 {
		return "", false
	}
	base := &url.URL{Scheme: "http", Host: "localhost", Path: path.Dir(from)}
	next, err := base.Parse(a.location)
	if err != nil || next.Hostname() != "localhost" && next.Hostname() != "127.0.0.1" || next.Path == "" {
		return "", false
	}
	return next.RequestURI(), true
}

// judge checks status, type and content.
func (a answer) judge(s Step) (string, error) {
	summary := fmt.Sprintf("%d, %s, %d bytes", a.status, a.kind, len(a.body))
	switch {
	case s.Status != 0 && a.status != s.Status:
		return "", fmt.Errorf("answered %d, expected %d", a.status, s.Status)
	case s.Status == 0 && a.status/100 != 2:
		return "", fmt.Errorf("answered %d, expected success", a.status)
	case s.Contains != "" && !strings.Contains(string(a.body), s.Contains):
		return "", fmt.Errorf("the answer does not contain %q", s.Contains)
	}
	if a.status == http.StatusNoContent || s.Method != http.MethodGet && len(a.body) == 0 {
		return summary, nil
	}
	if len(a.body) == 0 {
		return "", errors.New("the answer is empty")
	}
	kind, _, err := mime.ParseMediaType(a.kind)
	if err != nil {
		return "", errors.New("the answer has no valid content type")
	}
	if (kind == "application/json" || strings.HasSuffix(kind, "+json")) && !json.Valid(a.body) && len(a.body) < maxBody {
		return "", errors.New("the answer says that it is JSON, and is not")
	}
	if kind == "text/html" && !strings.Contains(string(a.body), "<") {
		return "", errors.New("the answer says that it is HTML, and is not")
	}
	return summary, nil
}

// serveDeclared refuses a product that does not say how it is served.
func (w *work) serveDeclared() *outcome {
	if w.recipes.Serve != nil {
		return nil
	}
	if w.wrong != nil {
		out := blocked("%s", fault.Public(w.wrong))
		return &out
	}
	out := blocked("%s does not declare serve; declare how the product is started, or take the proof out of the blueprint", RecipesPath)
	return &out
}
