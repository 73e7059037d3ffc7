package bench_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/bench"
)

// Work adds about as much to a process's processor time as it took. A process that does not exist has none.
func TestProcessorTime(t *testing.T) {
	t.Parallel()
	before, err := bench.ProcessorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		sum++
	}
	after, err := bench.ProcessorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("%v before, %v after %d steps", before, after, sum)
	}
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := bench.ProcessorTime(ended.Process.Pid); err == nil {
		t.Error("no error for a process that has ended")
	}
}
