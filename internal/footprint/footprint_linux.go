package footprint

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ReturnStartupPages takes pages out of this process that only its start needed: code and constants of the
// program and of its libraries. Kernels map whole folios of a file around what is touched, so that all of a
// large program is resident at its first line. What is needed again comes back from the page cache, without
// reading. It costs about 9 ms in an engine, half of them to read the kernel's list.
//
// Only mappings of files that cannot be written and of which no page was ever changed are touched, so that
// nothing can be lost by it.
func ReturnStartupPages() error {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read this process's mappings: %w", err)
	}
	var begin, end uintptr
	var errs []error
	candidate := false
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if line != "" && (line[0] < 'A' || line[0] > 'Z') { // a mapping; what is said of it begins with a capital
			var mode string
			n, err := fmt.Sscanf(line, "%x-%x %4s", &begin, &end, &mode)
			candidate = err == nil && n == 3 && mode[1] == '-' && strings.Contains(line, " /")
			continue
		}
		if candidate && strings.HasPrefix(line, "Anonymous:") && strings.Join(strings.Fields(line), " ") == "Anonymous: 0 kB" {
			if _, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED); errno != 0 {
				errs = append(errs, fmt.Errorf("return pages %x-%x: %w", begin, end, errno))
			}
		}
	}
	return errors.Join(append(errs, lines.Err(), f.Close())...)
}

// EndHugePages makes memory that this process touches for the first time from now on come in pages of the usual size,
// also where huge ones were asked for. Those it has stay.
func EndHugePages() error {
	if err := unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("end huge pages: %w", err)
	}
	return nil
}
