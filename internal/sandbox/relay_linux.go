package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layercake-app/layercake/internal/fault"
)

// relayWord as the first argument starts this program as the relay.
const (
	relayWord = "layercake-relay"
	relayPath = "/run/" + relayWord
	relayFD   = 3
	// dialDeadline is how long the relay may leave a connection waiting.
	dialDeadline = 10 * time.Second
)

// relayLink is the host's end of the socket over which the relay is handed
// connections. Nothing is ever read from it.
type relayLink struct {
	conn *net.UnixConn
}

// relayProgram is what the sandbox must be given to run a relay.
type relayProgram struct {
	argv  []string
	mount Mount
	end   *os.File
}

func newRelay(argv []string, port int) (*relayLink, relayProgram, error) {
	exe, err := ownExecutable()
	if err != nil {
		return nil, relayProgram{}, err
	}
	host, end, err := socketPair()
	if err != nil {
		return nil, relayProgram{}, err
	}
	return &relayLink{conn: host}, relayProgram{
		argv:  append([]string{relayPath, relayWord, strconv.Itoa(port)}, argv...),
		mount: Mount{Host: exe, Inside: relayPath},
		end:   end,
	}, nil
}

// ownExecutable is the file this program runs from; after an upgrade in place
// the path leads to another program, whose relay may differ.
func ownExecutable() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own program: %w", err)
	}
	onDisk, err1 := os.Stat(exe)
	running, err2 := os.Stat("/proc/self/exe")
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(onDisk, running) {
		return "", fault.Unavailable("sandbox.replaced",
			"The LayerCake program was replaced while it is running. Restart it to start applications.").Because(err)
	}
	return exe, nil
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("create sockets: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "relay"), os.NewFile(uintptr(fds[1]), "relay")
	defer shut(mine)
	conn, err := net.FileConn(mine)
	host, ok := conn.(*net.UnixConn)
	if err != nil || !ok {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("use socket: %w", err)
	}
	return host, theirs, nil
}

func (l *relayLink) close() { _ = l.conn.Close() }

// dial makes a pair of sockets, hands one to the relay and returns the other.
func (l *relayLink) dial(ctx context.Context) (net.Conn, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer shut(theirs)
	// A relay that has been made to stop reading must not hold up the host.
	deadline := time.Now().Add(dialDeadline)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	err = l.conn.SetWriteDeadline(deadline)
	if err == nil {
		_, _, err = l.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(theirs.Fd())), nil)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("reach application: %w", err)
	}
	return conn, nil
}

// MaybeRelay must be called first thing in main and in TestMain of a program
// that starts services: when the program was started as the relay inside a
// sandbox it does that work and exits, otherwise it returns at once.
func MaybeRelay() {
	if len(os.Args) < 4 || os.Args[0] != relayPath || os.Args[1] != relayWord {
		return
	}
	os.Exit(relayMain(os.Args[2], os.Args[3:]))
}

// relayMain starts the program, joins handed-over connections to its port, and
// returns the program's exit code.
func relayMain(port string, argv []string) int {
	unix.CloseOnExec(relayFD)
	link, err := net.FileConn(os.NewFile(relayFD, "relay"))
	conn, ok := link.(*net.UnixConn)
	if err != nil || !ok {
		fmt.Fprintln(os.Stderr, "relay: no link to the host")
		return 1
	}
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "relay: start application: %v\n", err)
		return 127
	}
	go func() {
		receive(conn, net.JoinHostPort("127.0.0.1", port))
		// The host has hung up: stop the program, and all with it if it will not.
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGTERM)
		time.Sleep(stopGrace)
		os.Exit(128 + int(unix.SIGKILL))
	}()
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// receive joins each socket that comes over the link to addr, until it ends.
func receive(link *net.UnixConn, addr string) {
	buf, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4*64))
	for {
		n, size, _, _, err := link.ReadMsgUnix(buf, control)
		if err != nil || n == 0 {
			return
		}
		messages, err := unix.ParseSocketControlMessage(control[:size])
		if err != nil {
			continue
		}
		for _, m := range messages {
			fds, err := unix.ParseUnixRights(&m)
			if err != nil {
				continue
			}
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				go join(fd, addr)
			}
		}
	}
}

func join(fd int, addr string) {
	f := os.NewFile(uintptr(fd), "connection")
	host, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return
	}
	defer shut(host)
	var d net.Dialer
	app, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return
	}
	defer shut(app)
	var both sync.WaitGroup
	both.Go(func() { pour(app, host) })
	both.Go(func() { pour(host, app) })
	both.Wait()
}

// pour copies until the end of from and passes that end on.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil {
		_ = from.Close()
	}
	if w, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = w.CloseWrite()
		return
	}
	_ = to.Close()
}
