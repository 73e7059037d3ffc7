package bench_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/testrun"
	"go.uber.org/goleak"
)

// hogEnv makes the test program a child that holds memory, or one that starts such a child.
const hogEnv = "SCOUT_BENCH_TEST_HOG"

// hogBytes is what the child holds.
const hogBytes = 96 << 20

func TestMain(m *testing.M) {
	switch os.Getenv(hogEnv) {
	case "hold":
		os.Exit(hold())
	case "parent":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), hogEnv+"=hold")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Run(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(testrun.Contain(m))
}

// hold touches every page of a block, says so, and keeps it until its input ends.
func hold() int {
	block := make([]byte, hogBytes)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	if _, err := os.Stdout.WriteString("ready\n"); err != nil {
		return 1
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	return int(block[4096]) - 1
}

func TestMemoryCountsGrandchildren(t *testing.T) {
	t.Parallel()
	watch := bench.StartMemory(os.Getpid())
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hogEnv+"=parent")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Errorf("child said %q, %v", line, err)
	}
	m := watch.Stop()
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if m.Peak < hogBytes || m.Bound < m.Peak || m.Samples < 2 || len(m.Processes) == 0 || m.Processes[0].Peak < hogBytes {
		t.Errorf("a grandchild holds %d bytes, seen %+v", hogBytes, m)
	}
	if again := watch.Stop(); again.Peak != m.Peak {
		t.Errorf("stopped again: %+v", again)
	}
}

func TestMemoryOfAProcessThatIsGone(t *testing.T) {
	t.Parallel()
	// The largest pid there can be is never used at the usual limits.
	if m := bench.StartMemory(1<<22 + 1).Stop(); m.Peak != 0 || m.Samples < 2 {
		t.Errorf("%+v", m)
	}
}
