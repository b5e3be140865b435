package cli

import (
	"os"

	"github.com/layercake-app/layercake/internal/fault"
)

// something refuses a path at which there is nothing that could be verified.
func something(path string) error {
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) == 0 {
		return fault.Invalid("verify.empty", "The folder %s is empty: there is no evidence to verify. Name a data folder, a repository or a zip.", path)
	}
	if os.IsNotExist(err) {
		return fault.Invalid("verify.absent", "There is nothing at %s. Name a data folder, a repository or a zip.", path)
	}
	return nil // a file, or what package bundle looks at
}
