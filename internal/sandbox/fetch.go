package sandbox

import (
	"context"

	"github.com/layercake-app/layercake/internal/fault"
)

// FetchRequest names the dependencies a project's lock file asks for.
type FetchRequest struct {
	// Ecosystem is "go", "npm" or "pypi".
	Ecosystem string
	// LockDigest is the SHA-256 of the lock file in hex; equal digests share
	// one result.
	LockDigest string
	// Dir is the host folder with the manifest and its lock file.
	Dir string
}

// Fetch is the one step that may reach package registries: through the
// platform's proxy, without running install scripts, giving read-only mounts
// for runs that have no network. This version cannot do it and always returns
// fault.Unavailable "fetch.unavailable"; projects that need only the standard
// library do not need it.
func (s *Sandbox) Fetch(_ context.Context, req FetchRequest) ([]Mount, error) {
	return nil, fault.Unavailable("fetch.unavailable",
		"The %s dependencies of this project cannot be fetched yet in this version. "+
			"Use the standard library only, or commit the dependencies to the repository (for Go: go mod vendor).", req.Ecosystem)
}
