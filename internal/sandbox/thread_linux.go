package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs fn on an operating-system thread of its own, which ends with
// it. A sandbox is tied to the thread that started it (the kernel kills it
// when that thread dies), and that thread's mount namespace and cgroup may be
// changed for the fork, so it can neither be shared nor given back.
func onThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn()
			return
		}
		// The main thread cannot end; hold it until fn has another one.
		on := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(on)
			fn()
		}()
		<-on
		runtime.UnlockOSThread()
	}()
}

// deviceNodes are what bubblewrap takes over from the host's /dev.
var deviceNodes = []string{"null", "zero", "full", "random", "urandom", "tty"}

// sealDevices gives the calling thread a mount namespace of its own in which
// the device nodes cannot be changed. bubblewrap shows the host's own nodes,
// and when the server is root the sandboxed command owns them: without this
// it could take /dev/null away from the whole host by chmod. Reading and
// writing a device is not affected by its mount being read-only.
func sealDevices() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, name := range deviceNodes {
		node := filepath.Join("/dev", name)
		if err := unix.Mount(node, node, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", node, err)
		}
		if err := unix.Mount("", node, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", node, err)
		}
	}
	return nil
}

// canSealDevices reports whether sealDevices is needed and allowed.
func canSealDevices() (needed, possible bool) {
	if os.Geteuid() != 0 {
		return false, false
	}
	result := make(chan error, 1)
	onThread(func() { result <- sealDevices() })
	return true, <-result == nil
}
