package app

import (
	"context"
	"net"
	"net/http"
)

// Handler is what Serve answers with, for tests that look inside a request.
func (a *App) Handler(ctx context.Context, addr net.Addr) (http.Handler, error) {
	h, _, err := a.handler(ctx, addr, "test")
	return h, err
}
