// Package client asks a LayerCake server over HTTP, for a person at a terminal
// or for a script.
//
// Its answers are the types of package api, so that client and server cannot
// drift apart. Every error is a fault with a sentence that names the next step;
// what the server refused is a *Refusal, which also names the request. No
// redirect is followed, every wait has an end, and no answer is read without a
// bound. The token goes to the address it was made for and nowhere else.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/layercake-app/layercake/internal/api"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/secret"
)

// Bounds of one request.
const (
	dialTime = 10 * time.Second
	askTime  = time.Minute      // until an answer is there in full
	fileTime = 15 * time.Minute // the same for a file
	maxBody  = 64 << 20         // bytes of an answer
	maxFile  = 1 << 30          // bytes of a file
	maxPages = 10_000
	attempts = 3 // of a request that may be repeated
)

// Options says whom to ask, and as whom.
type Options struct {
	// Address of the server, as Address returns it.
	Address string
	// Token is the access token, empty for what anybody may ask.
	Token secret.Text
	// Again is the sentence for a token that is not good any more: how to get
	// another one. The server's own words when empty.
	Again string
	// Version of the program, which the server shows beside the session.
	Version string
}

// Client asks one server as one person. It may be used by many goroutines.
type Client struct {
	Options

	http *http.Client
}

// New returns a client. It asks nothing yet.
func New(o Options) *Client {
	transport := &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext, TLSHandshakeTimeout: dialTime,
		ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{Options: o, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close lets go of connections that are kept open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Address reads the address of a server as a person writes it, and returns it
// without what does not belong to it: a slash at the end, or the path of the
// interface.
func Address(text string) (string, error) {
	wrong := func(what string) error {
		return fault.Invalid("server.address", "The address %q %s. Write it like http://localhost:3000 or https://layercake.example.org.", text, what)
	}
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil:
		return "", wrong("cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrong("does not begin with http:// or https://")
	case u.Hostname() == "":
		return "", wrong("names no host")
	case u.User != nil:
		return "", fault.Invalid("server.address", "The address holds a user name. Leave it out: name yourself with --email, and give the password when you are asked.")
	case u.RawQuery != "" || u.Fragment != "":
		return "", wrong("has a ? or # in it")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for _, end := range []string{"/api/docs", api.Base, "/api"} {
		path = strings.TrimSuffix(path, end)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimRight(path, "/"), nil
}

// Private reports whether what is sent to an address cannot be read on the way:
// it is encrypted, or does not leave this machine.
func Private(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// envelope is every answer.
type envelope struct {
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   *struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Details []fault.Detail  `json:"details"`
		Current json.RawMessage `json:"current"`
	} `json:"error"`
	Meta *struct {
		RequestID  string `json:"requestId"`
		NextCursor string `json:"nextCursor"`
	} `json:"meta"`
}

// request is one thing to ask.
type request struct {
	method, path string
	query        url.Values
	ifMatch      string
	body         any
	once         bool // it carries an Idempotency-Key, so it may be sent again
}

// answered is what came back of a good answer besides its data.
type answered struct{ tag, next string }

// ask makes a request and reads the data of a good answer into out, which may be
// nil. What carries an Idempotency-Key is sent again when the connection broke,
// for then nobody knows whether it arrived.
func (c *Client) ask(ctx context.Context, r request, out any) (answered, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return answered{}, fmt.Errorf("write request: %w", err)
		}
	}
	key := ""
	if r.once {
		random := make([]byte, 16)
		_, _ = rand.Read(random) // it never fails
		key = hex.EncodeToString(random)
	}
	for n := 1; ; n++ {
		got, err := c.attempt(ctx, r, key, body, out)
		if err == nil || !r.once || n == attempts || fault.CodeOf(err) != codeCutOff {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, err
		case <-time.After(time.Duration(n) * 300 * time.Millisecond):
		}
	}
}

func (c *Client) attempt(ctx context.Context, r request, key string, body []byte, out any) (got answered, err error) {
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := c.send(limited, r, key, body)
	if err != nil {
		return got, c.unreached(ctx, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return got, c.unreached(ctx, err)
	}
	if len(text) > maxBody {
		return got, fault.TooLarge("server.answer", "%s sent an answer of more than %d MB. Ask for less, or look whether this is the server you mean.", c.Address, maxBody>>20)
	}
	e, err := c.open(answer, text)
	if err != nil {
		return got, err
	}
	if out != nil {
		if err := json.Unmarshal(e.Data, out); err != nil {
			return got, fault.Unavailable("server.version", "%s answers in a way that this version of the program does not understand. Use the same version on both sides; `layercake version` says which one this is.", c.Address).Because(err)
		}
	}
	return answered{tag: answer.Header.Get("ETag"), next: e.Meta.NextCursor}, nil
}

func (c *Client) send(ctx context.Context, r request, key string, body []byte) (*http.Response, error) {
	at := c.Address + api.Base + r.path
	if len(r.query) > 0 {
		at += "?" + r.query.Encode()
	}
	var in io.Reader = http.NoBody
	if body != nil {
		in = bytes.NewReader(body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, at, in)
	if err != nil {
		return nil, err
	}
	q.Header.Set("User-Agent", "layercake/"+c.Version)
	for name, value := range map[string]string{"Idempotency-Key": key, "If-Match": r.ifMatch} {
		if value != "" {
			q.Header.Set(name, value)
		}
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if token := c.Token.Reveal(); token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	return c.http.Do(q)
}

// open reads the envelope of an answer: a good one, or the fault that it is.
func (c *Client) open(answer *http.Response, text []byte) (e envelope, err error) {
	status := answer.StatusCode
	if status/100 == 3 {
		return e, c.moved(answer)
	}
	ours := json.Unmarshal(text, &e) == nil && e.Meta != nil && (e.Success || e.Error != nil)
	switch {
	case ours && e.Success && status/100 == 2:
		return e, nil
	case ours && e.Error != nil:
		return e, c.refusal(answer, e)
	}
	return e, c.foreign(answer, text)
}

// moved refuses to follow: the token is for this address, and a password too.
func (c *Client) moved(answer *http.Response) error {
	to, err := answer.Location()
	if err != nil {
		return c.foreign(answer, nil)
	}
	next := to.Scheme + "://" + to.Host
	return fault.Unavailable("server.moved", "%s sends on to %s, and nothing is sent there unasked. If you trust that address, log in to it: layercake login %s", c.Address, next, next)
}

// foreign says what an answer is that no LayerCake server gives.
func (c *Client) foreign(answer *http.Response, text []byte) error {
	f := fault.Unavailable("server.foreign", "%s answers (%s), but not as a LayerCake server does. Look whether the address is right.", c.Address, answer.Status)
	switch status := answer.StatusCode; {
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		f = fault.Unavailable("server.gateway", "%s answers %s: what stands before the server does not reach it. Try again in a moment.", c.Address, answer.Status)
	case status == http.StatusBadRequest && bytes.Contains(text, []byte("HTTP request to an HTTPS server")):
		f = fault.Unavailable("server.tls", "%s takes encrypted connections only. Use https:// in its address.", c.Address)
	}
	return &Refusal{f, answer.StatusCode, answer.Header.Get("X-Request-Id"), nil, retryAfter(answer)}
}

// list reads a list to its end.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) (all []T, err error) {
	if query == nil {
		query = url.Values{}
	}
	for range maxPages {
		var rows []T
		got, err := c.ask(ctx, request{method: http.MethodGet, path: path, query: query}, &rows)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if got.next == "" || got.next == query.Get("cursor") {
			return all, nil
		}
		query.Set("cursor", got.next)
	}
	return nil, fault.TooLarge("server.list", "The list does not come to its end. Ask for less.")
}

// fetch writes a file that the server sends to w, and says whether all of it came.
func (c *Client) fetch(ctx context.Context, r request, w io.Writer) error {
	limited, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	answer, err := c.send(limited, r, "", nil)
	if err != nil {
		return c.unreached(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") || strings.HasPrefix(answer.Header.Get("Content-Type"), "text/") {
		text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if err != nil {
			return c.unreached(ctx, err)
		}
		if _, err := c.open(answer, text); err != nil {
			return err
		}
		return c.foreign(answer, text)
	}
	n, err := io.Copy(w, io.LimitReader(answer.Body, maxFile+1))
	var write *writeError
	switch {
	case errors.As(err, &write):
		return write.error
	case err != nil:
		return c.unreached(ctx, err)
	case n > maxFile:
		return fault.TooLarge("server.file", "The file has more than %d MB. Export the project on the server's own machine: layercake export", maxFile>>20)
	case answer.ContentLength >= 0 && n != answer.ContentLength:
		return c.unreached(ctx, io.ErrUnexpectedEOF)
	}
	return nil
}

// writeError tells an error of our own side from one of the connection.
type writeError struct{ error }

// local marks the errors of a writer.
type local struct{ io.Writer }

// Write writes, and marks what goes wrong.
func (l local) Write(p []byte) (int, error) {
	n, err := l.Writer.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

func retryAfter(answer *http.Response) time.Duration {
	n, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Minute)
}
