package daemon

import (
	"os"
	"testing"
)

// What processes use is counted once, by kind; a process that has ended counts no more.
func TestUseOfProcesses(t *testing.T) {
	t.Parallel()
	u := newUse()
	self, ended := one{daemonProcess, os.Getpid()}, one{engineProcess, 1 << 30}
	memory, before := u.look([]one{self, ended})
	if memory == 0 || before != 0 {
		t.Errorf("%d bytes, %s before it was looked at", memory, before)
	}
	twice, _ := u.look([]one{self, {recorderProcess, os.Getpid()}})
	if twice < memory*3/2 {
		t.Errorf("%d bytes of one process, %d of two", memory, twice)
	}
	if _, after := u.look([]one{self}); after < before {
		t.Errorf("%s on processors after %s", after, before)
	}
	for _, kind := range u.families() {
		value := 0.0
		for _, f := range kind.families {
			if f.Name == "scout_process_memory_bytes" {
				value = float64(f.Samples[0].Value)
			}
		}
		if (value > 0) != (kind.process == daemonProcess) {
			t.Errorf("%s has %g bytes", kind.process, value)
		}
	}
}
