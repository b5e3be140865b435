//go:build linux && !amd64

package sandbox

// legacyRules has nothing to add where the older calls do not exist.
func legacyRules(*program) {}
