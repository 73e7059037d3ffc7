package daemon

import (
	"os"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/controlgroup"
)

func TestWhatIsKnownOfAProcess(t *testing.T) {
	t.Parallel()
	var p processes
	first := p.of("scout", os.Getpid())
	if first.PID != os.Getpid() || first.RSSBytes == 0 {
		t.Errorf("%+v", first)
	}
	// At first it is the use since the process began; two looks in a row do not make another figure of it.
	began := p.seen[os.Getpid()]
	began.at, began.seconds = time.Now().Add(-10*time.Second), began.seconds-5
	p.seen[os.Getpid()] = began
	half := p.of("scout", os.Getpid())
	if half.CPUPercent == nil || *half.CPUPercent < 45 || *half.CPUPercent > 200 {
		t.Errorf("%+v, want 5 seconds in 10", half)
	}
	if again := p.of("scout", os.Getpid()); again.CPUPercent == nil || *again.CPUPercent != *half.CPUPercent {
		t.Errorf("%+v a moment later, want the same", again)
	}
	if none := p.of("scout-engine", 1<<30); none.RSSBytes != 0 || none.CPUPercent != nil {
		t.Errorf("%+v of a process that has ended", none)
	}
	if p.forget([]v1.Process{{PID: 1}}); len(p.seen) != 0 {
		t.Errorf("%v is still remembered", p.seen)
	}
}

func TestHowFarARecorderIsApart(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]controlgroup.Separation{
		"the recorder is in a control group and a session of its own":                              {Groups: controlgroup.OwnGroups, OwnSession: true},
		"the recorder is in a session of its own":                                                  {Groups: controlgroup.NoGroups, OwnSession: true},
		"the recorder is in the daemon's control group: what ends all of it ends the recorder too": {Groups: controlgroup.SharedGroups, OwnSession: true},
		"the recorder is in the daemon's session: what ends all of it ends the recorder too":       {Groups: controlgroup.OwnGroups},
	} {
		if got := separationText(a); got != want {
			t.Errorf("%+v: %s, want %s", a, got, want)
		}
	}
}
