package cli

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// ignoredByParent reports whether the process that started this one also ignores a signal. It is false if that is not
// known.
func ignoredByParent(n syscall.Signal) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(os.Getppid()) + "/status")
	if err != nil {
		return false
	}
	_, mask, _ := bytes.Cut(status, []byte("\nSigIgn:"))
	mask, _, _ = bytes.Cut(mask, []byte("\n"))
	bits, err := strconv.ParseUint(string(bytes.TrimSpace(mask)), 16, 64)
	return err == nil && bits>>(n-1)&1 == 1
}

// defaultAction restores the kernel's default action for a signal. Go cannot do this if the program was started with
// the signal ignored.
func defaultAction(n syscall.Signal) {
	// struct sigaction of the kernel: SIG_DFL, no flags, an empty mask. Source: sigaction(2), rt_sigaction.
	var action struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0) //nolint:gosec // as the call wants it
}
