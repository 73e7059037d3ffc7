package rig

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(peerVariable); how != "" {
		os.Exit(bePeer(how))
	}
	os.Exit(testrun.Contain(m).Run())
}

// A benchmark in the background of a script is started with SIGINT ignored. What it starts must end by it.
func TestSIGINTReachesWhatIsStarted(t *testing.T) {
	t.Parallel()
	const inner = "SCOUT_TEST_BACKGROUND"
	if os.Getenv(inner) != "" {
		stop := interruptible()
		defer stop()
		err := exec.CommandContext(t.Context(), "sh", "-c", "kill -INT $$; exit 3").Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 { // -1: by a signal
			t.Errorf("%v, want the signal to end it", err)
		}
		return
	}
	background := exec.CommandContext(t.Context(), "sh", "-c", `trap "" INT; exec "$0" -test.run='^TestSIGINTReachesWhatIsStarted$'`, os.Args[0])
	background.Env = append(os.Environ(), inner+"=1")
	if out, err := background.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
