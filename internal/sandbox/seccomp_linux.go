package sandbox

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"
)

// auditArch names the processor to the filter; a system without an entry runs
// without one, and Isolation says so.
var auditArch = map[string]uint32{
	"amd64": unix.AUDIT_ARCH_X86_64,
	"arm64": unix.AUDIT_ARCH_AARCH64,
}

// setID are the set-user-id and set-group-id bits: a file made with them by
// the server's user in a writable mount would be a way in for other users of
// the host.
const setID = unix.S_ISUID | unix.S_ISGID

// x32Bit marks calls of amd64's second table, which would pass by the filter.
const x32Bit = 0x40000000

// filter returns the seccomp program in the form bubblewrap reads, or nil
// where the processor is not known. It closes what namespaces leave open:
// socket families that ignore the network namespace (AF_VSOCK reaches the
// hypervisor), kernel keyrings inherited from the server, io_uring (which
// makes sockets without socket(2)), and the making of set-id files.
func filter() []byte {
	arch, ok := auditArch[runtime.GOARCH]
	if !ok {
		return nil
	}
	p := program{}
	p.load(offArch)
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, arch, 1, 0)
	p.deny(unix.ENOSYS)
	p.load(offNumber)
	if runtime.GOARCH == "amd64" {
		p.add(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, x32Bit, 0, 1)
		p.deny(unix.ENOSYS)
	}
	for _, nr := range []uint32{
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		// Their mode hides behind a pointer; callers fall back to the older calls.
		unix.SYS_OPENAT2, unix.SYS_FCHMODAT2,
	} {
		p.rule(nr, denial(unix.ENOSYS))
	}
	for _, nr := range []uint32{
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_BPF,
		unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	} {
		p.rule(nr, denial(unix.EPERM))
	}
	p.rule(unix.SYS_SOCKET, families())
	p.rule(unix.SYS_FCHMOD, noSetID(1))
	p.rule(unix.SYS_FCHMODAT, noSetID(2))
	p.rule(unix.SYS_MKNODAT, noSetID(2))
	p.rule(unix.SYS_OPENAT, noSetIDWhenCreating(2, 3))
	legacyRules(&p)
	p.add(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW, 0, 0)
	return p.bytes()
}

// Offsets into struct seccomp_data; arguments are read as their low 32 bits,
// which is all these calls use.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

type program []unix.SockFilter

func (p *program) add(code uint16, k uint32, jt, jf uint8) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (p *program) load(off uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off, 0, 0) }

func (p *program) loadArg(i uint32) { p.load(offArgs + 8*i) }

func (p *program) deny(errno unix.Errno) {
	p.add(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(errno), 0, 0)
}

func (p *program) allow() { p.add(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW, 0, 0) }

// rule runs body, which must end in a return, for the system call nr.
func (p *program) rule(nr uint32, body program) {
	p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, nr, 0, uint8(len(body)))
	*p = append(*p, body...)
}

func denial(errno unix.Errno) program {
	p := program{}
	p.deny(errno)
	return p
}

func noSetID(modeArg uint32) program {
	p := program{}
	p.loadArg(modeArg)
	p.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, setID, 0, 1)
	p.deny(unix.EPERM)
	p.allow()
	return p
}

func noSetIDWhenCreating(flagsArg, modeArg uint32) program {
	const tmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY
	p := program{}
	p.loadArg(flagsArg)
	p.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, unix.O_CREAT|tmpfile, 1, 0)
	p.allow()
	return append(p, noSetID(modeArg)...)
}

func families() program {
	allowed := []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}
	p := program{}
	p.loadArg(0)
	for i, family := range allowed {
		p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, family, uint8(len(allowed)-i), 0)
	}
	p.deny(unix.EAFNOSUPPORT)
	p.allow()
	return p
}

func (p program) bytes() []byte {
	var b []byte
	for _, i := range p {
		b = binary.NativeEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.NativeEndian.AppendUint32(b, i.K)
	}
	return b
}
