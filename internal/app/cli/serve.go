package cli

import (
	"errors"
	"fmt"

	"github.com/layercake-app/layercake/internal/app"
)

type serveCmd struct {
	Addr string `default:"127.0.0.1:3000" help:"Address to listen on."`
	Data string `help:"Data folder." placeholder:"DIR"`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(e *env) error {
	if c.Data != "" {
		e.settings.Data = c.Data
	}
	l, err := app.Listen(e.ctx, c.Addr)
	if err != nil {
		return err
	}
	a, err := app.Open(e.ctx, e.settings, e.log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	scheme := "http"
	if a.Settings.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(e.term.Out, "LayerCake listens on %s://%s\nData folder: %s\nModel: %s\nThe interface is described at %s://%s/api/docs. Stop with Ctrl-C.\n",
		scheme, l.Addr(), a.Settings.Data, a.Model.Info().Name, scheme, l.Addr())
	return errors.Join(a.Serve(e.ctx, l, Version), a.Close())
}
