package remote_test

import (
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// everySetting is an order in which nothing is left open.
func everySetting() recording.Order {
	return recording.Order{
		ID:     recording.NewID(time.Now()),
		Format: speech, Device: "signal:7?rate=16000", OnLoss: "follow", Warm: true, Preroll: 100 * time.Millisecond, AskedAt: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), Buffer: 5 * time.Second,
		Rules:       recording.Rules{MaxDuration: time.Hour, NoOwnerFor: time.Minute},
		Labels:      map[string]string{"meeting": "weekly"},
		Environment: recording.Environment{Variables: map[string]string{"PULSE_SERVER": "unix:/nowhere", "LANG": "C"}, LogLevel: "info", LogFormat: "text"},
	}
}

// Every field of an order must be set above, so that the tests below cover it.
func TestEverySettingIsInTheOrder(t *testing.T) {
	t.Parallel()
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		}
		if v.IsZero() {
			t.Errorf("%s is not set", path)
		}
	}
	look("Order", reflect.ValueOf(everySetting()))
}

// Attaching to a recorder, adopting its recording or replacing it does not change the order.
func TestTakingOverChangesNothing(t *testing.T) {
	t.Parallel()
	for _, family := range []bool{true, false} {
		name := "a recorder without a parent"
		options := launch
		if family {
			name, options = "a recorder with a parent", launchFamily
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, want := t.TempDir(), everySetting()
			folder := open(t, dir)
			k, _, err := remote.Keep(t.Context(), folder, options(dir), want, observe.Scope{})
			check(t, err)
			t.Cleanup(func() { endRecorder(t, dir) })
			compare := func(by string, k *remote.Keeper) {
				t.Helper()
				s, err := k.Client().Status(t.Context())
				check(t, err)
				if s.Recording == nil || !reflect.DeepEqual(s.Recording.Order, want) {
					t.Fatalf("%s: %+v, want %+v", by, s.Recording, want)
				}
				if !reflect.DeepEqual(k.Order(), want) {
					t.Errorf("%s: the keeper has %+v", by, k.Order())
				}
			}
			compare("started", k)
			check(t, k.Leave())
			// Another program, with another environment, takes it over.
			other := options(dir)
			other.Env = append(other.Env, "PULSE_SERVER=unix:/other", "LANG=de_DE")
			k, _, err = remote.Adopt(t.Context(), folder, other, "", observe.Scope{})
			check(t, err)
			compare("adopted", k)
			for range 2 {
				events := k.Events()
				until(t, k.Client(), 2000)
				check(t, syscall.Kill(k.Client().PID(), syscall.SIGKILL))
				for item := range events.Items() {
					if item.Value.Kind == recording.KindReplaced {
						break
					}
				}
				events.Close()
				compare("replaced", k)
			}
			m, err := k.Stop(t.Context())
			check(t, err)
			if m.Resumed != 2 || m.State != recording.StateFinished {
				t.Errorf("manifest %+v", m)
			}
		})
	}
}

// A recorder without clients comes back after it and its parent are killed in turn.
func TestADetachedRecorderComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	order := start("")
	order.Rules.MaxDuration = 3 * time.Second
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), order, observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	check(t, k.Leave())
	attach := func() (*remote.Client, *recording.Progress) {
		c, p, err := remote.Running(t.Context(), dir, remote.Options{Name: "test"})
		check(t, err)
		return c, p
	}
	c, _ := attach()
	first := c.Parent()
	check(t, syscall.Kill(first, syscall.SIGKILL))
	until(t, c, 6000) // it records on
	for !recording.HasParent(dir) {
		time.Sleep(5 * time.Millisecond) // nothing announces a parent
	}
	for kills := 1; kills <= 2; kills++ {
		check(t, syscall.Kill(c.PID(), syscall.SIGKILL))
		<-c.Done()
		died := time.Now()
		check(t, c.Close())
		var p *recording.Progress
		c, p = attach()
		t.Logf("attached again %s after the kill", time.Since(died).Round(time.Millisecond))
		if c.Parent() == first || c.Parent() == 0 || p.ID != k.ID() {
			t.Errorf("parent %d, recording %+v", c.Parent(), p)
		}
		until(t, c, p.Written+4000)
	}
	for { // it ends by its rule, in whichever process
		m, err := open(t, dir).Manifest(k.ID())
		check(t, err)
		if m.State == recording.StateFinished {
			if m.EndReason != recording.EndMaxDuration || m.Resumed != 2 || m.Duration() != 3*time.Second {
				t.Errorf("manifest %+v", m)
			}
			break
		}
		time.Sleep(10 * time.Millisecond) // the file is what is looked at
	}
	check(t, c.Close())
}

// A parent that is asked to end ends its recorder normally, and neither comes back.
func TestAParentThatIsAskedToEndEndsItsRecorder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), start(""), observe.Scope{})
	check(t, err)
	until(t, k.Client(), 2000)
	for _, ignored := range []syscall.Signal{syscall.SIGHUP, syscall.SIGQUIT} { // those of a terminal
		check(t, syscall.Kill(k.Client().Parent(), ignored))
		check(t, syscall.Kill(k.Client().PID(), ignored))
	}
	s, err := k.Client().Status(t.Context())
	check(t, err)
	until(t, k.Client(), s.Recording.Written+2000)
	check(t, syscall.Kill(k.Client().Parent(), syscall.SIGTERM))
	<-k.Ended()
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.State != recording.StateFinished || m.EndReason != recording.EndShutdown {
		t.Errorf("manifest %+v", m)
	}
}

// One subscription reports the death of the recorder, the gap and the end of the recording, however late it was asked for.
func TestEventsOutliveTheRecorder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	order := start("")
	order.Rules.MaxDuration = 1500 * time.Millisecond
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), order, observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	watcher, err := remote.Watch(t.Context(), open(t, dir), remote.Options{Name: "watcher"}, k.ID(), observe.Scope{})
	check(t, err)
	own := k.Events()
	until(t, k.Client(), 2000)
	check(t, syscall.Kill(k.Client().PID(), syscall.SIGKILL))
	for item := range own.Items() {
		if item.Value.Kind == recording.KindStopped && item.Value.Manifest == nil {
			t.Error("an end without a manifest")
		}
	}
	var kinds []recording.EventKind
	for item := range watcher.Events().Items() {
		kinds = append(kinds, item.Value.Kind)
	}
	if !slices.Contains(kinds, recording.KindReplaced) || len(kinds) == 0 || kinds[len(kinds)-1] != recording.KindStopped {
		t.Errorf("who watches heard %v", kinds)
	}
	check(t, watcher.Leave())
	check(t, k.Leave())
}

// A recorder does not record for clients of another environment. If it is idle it ends to make room; during a recording it refuses them.
func TestARecorderOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	for _, differs := range []string{"PULSE_SERVER=unix:/other", "XDG_RUNTIME_DIR=/other", "DBUS_SESSION_BUS_ADDRESS=unix:/other", "PULSE_RUNTIME_PATH=/other", "PIPEWIRE_REMOTE=other", "LC_ALL=de_DE"} {
		t.Run(differs, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			folder := open(t, dir)
			other := launchFamily(dir)
			other.Env = append(slices.Clone(other.Env), differs)
			t.Cleanup(func() { endRecorder(t, dir) })

			first, _, err := remote.Keep(t.Context(), folder, launchFamily(dir), start(""), observe.Scope{})
			check(t, err)
			pid := first.Client().PID()
			if _, _, err := remote.Keep(t.Context(), folder, other, start(""), observe.Scope{}); scout.CodeOf(err) != scout.CodeAlreadyRecording {
				t.Errorf("beside a recording: %v (%s)", err, scout.CodeOf(err))
			}
			_, err = first.Stop(t.Context())
			check(t, err)

			same, _, err := remote.Keep(t.Context(), folder, launchFamily(dir), start(""), observe.Scope{})
			check(t, err)
			if same.Client().PID() != pid {
				t.Error("the same environment got another process")
			}
			_, err = same.Stop(t.Context())
			check(t, err)

			second, _, err := remote.Keep(t.Context(), folder, other, start(""), observe.Scope{})
			check(t, err)
			if second.Client().PID() == pid {
				t.Error("another environment got the same process")
			}
			s, err := second.Client().Status(t.Context())
			check(t, err)
			name, value, _ := strings.Cut(differs, "=")
			if got := s.Recording.Order.Environment.Variables[name]; got != value {
				t.Errorf("%s is %q in the order", name, got)
			}
			_, err = second.Stop(t.Context())
			check(t, err)
		})
	}
}

// The health check is right about recorders that die or hang during a recording.
func TestHealthTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		reason string
	}{
		{"dead", syscall.SIGKILL, "died in the middle"},
		{"hung", syscall.SIGSTOP, "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			client := owner(t, dir)
			_, err := client.Start(t.Context(), start(""))
			check(t, err)
			until(t, client, 2000)
			if c.signal == syscall.SIGKILL {
				check(t, syscall.Kill(client.PID(), c.signal))
				<-client.Done()
			} else {
				testrun.Suspend(t, client.PID())
				t.Cleanup(func() { _ = syscall.Kill(client.PID(), syscall.SIGCONT) })
			}
			look := func() health.Component {
				return health.Run(t.Context(), []health.Check{remote.Check(dir)}, time.Now)[0]
			}
			got := look()
			for c.signal == syscall.SIGKILL && contains(got.Reason, "cannot be reached") { // its connections are closed before its lock is given up
				time.Sleep(time.Millisecond)
				got = look()
			}
			if got.Status != health.Unhealthy || !contains(got.Reason, c.reason) {
				t.Errorf("%s (%s)", got.Status, got.Reason)
			}
		})
	}
}

// A probe does not count as a client: it neither keeps the recorder alive nor appears in its log.
func TestAProbeCountsAsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := owner(t, dir)
	probe, err := remote.Dial(t.Context(), dir, remote.Options{Name: "a probe", Probe: true})
	check(t, err)
	s, err := probe.Status(t.Context())
	check(t, err)
	if s.Clients != 1 {
		t.Errorf("%d clients, want 1", s.Clients)
	}
	check(t, c.Close())
	for ended := false; !ended; {
		got := health.Run(t.Context(), []health.Check{remote.Check(dir)}, time.Now)[0]
		if got.Status != health.Healthy {
			t.Errorf("%s (%s)", got.Status, got.Reason)
		}
		select {
		case <-probe.Done():
			ended = true
		default:
		}
	}
	log := readLog(t, dir)
	if contains(log, "probe") || contains(log, "health") {
		t.Errorf("the log tells of probes: %s", log)
	}
}
