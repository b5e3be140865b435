package sandbox

import "golang.org/x/sys/unix"

// legacyRules covers the older calls that only this processor still has.
func legacyRules(p *program) {
	p.rule(unix.SYS_CHMOD, noSetID(1))
	p.rule(unix.SYS_CREAT, noSetID(1))
	p.rule(unix.SYS_MKNOD, noSetID(1))
	p.rule(unix.SYS_OPEN, noSetIDWhenCreating(1, 2))
}
