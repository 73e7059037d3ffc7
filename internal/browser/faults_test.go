package browser_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// on puts the recordings on a disk with faults.
func on(disk *recordingtest.Disk) func(*studio) {
	return func(s *studio) {
		folder, err := recording.OpenBrowserOn(disk, filepath.Join(s.TempDir(), "browser"))
		if err != nil {
			s.Fatal(err)
		}
		s.moved(folder)
	}
}

// What is acknowledged survives a loss of power, also where the device did some of what came later, in any order. The client goes on with
// the first frame that may be damaged.
func TestWhatIsAcknowledgedSurvivesALossOfPower(t *testing.T) {
	t.Parallel()
	for round := range 12 {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		disk := recordingtest.New()
		s := newStudio(t, on(disk))
		c := s.start(order(rate))
		frames := (2 + random.IntN(8)) * wordFrames
		at, safe := 0, uint64(0)
		for at < frames/2 || random.IntN(4) > 0 && at < frames-1 {
			n := min(1+random.IntN(3000), frames-1-at)
			s.write(c, at, at+n)
			at += n
			time.Sleep(time.Duration(random.IntN(6)) * time.Millisecond) //nolint:forbidigo // speech takes time
			safe = c.Safe()
		}
		disk.Fail(true)
		s.end()
		if err := disk.PowerLoss(random, 0.5); err != nil {
			t.Fatal(err)
		}
		disk.Fail(false)
		s.begin()
		c = s.resumes(c.ID())
		if c.Safe() < safe {
			t.Fatalf("round %d, seed %d: %d frames were acknowledged, %d are left", round, seed, safe, c.Safe())
		}
		s.write(c, int(c.Safe()), frames)
		if err := c.Stop(uint64(frames)); err != nil {
			t.Fatal(err)
		}
		if got := s.text(c.ID()); got != script(frames/wordFrames) {
			t.Errorf("round %d, seed %d: text %q", round, seed, got)
		}
		m, err := s.folder.Verify(c.ID())
		if err != nil || m.Frames != uint64(frames) || len(m.Gaps) > 0 {
			t.Errorf("round %d, seed %d: %+v, %v", round, seed, m, err)
		}
	}
}

// health checks what the check of the sessions says, and that the metrics agree.
func (s *studio) health(status health.Status, counts, reason string) {
	s.Helper()
	r := s.Check().Probe(s.Context())
	m := r.Metadata
	if got := fmt.Sprintf("sessions %s, waiting %s, failing %s", m["sessions"], m["waiting"], m["failing"]); got != counts || r.Status != status || !strings.Contains(r.Reason, reason) {
		s.Errorf("%s, %s (%s), want %s, %s (%s)", r.Status, got, r.Reason, status, counts, reason)
	}
	if got := fmt.Sprintf("sessions %g, waiting %g, failing %g", s.gauge("scout_live_sessions"), s.gauge("scout_live_sessions_waiting"), s.gauge("scout_live_sessions_failing")); got != counts {
		s.Errorf("the metrics say %s, want %s", got, counts)
	}
}

// gauge is the value of a metric.
func (s *studio) gauge(name string) (sum float64) {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// Sessions that only wait are no fault, until there is no room for another one beside them.
func TestSessionsThatFillTheLimitWhileTheyWait(t *testing.T) {
	t.Parallel()
	s := newStudio(t, func(s *studio) { s.options.Most = 2 })
	s.start(order(rate))
	waits := s.start(order(rate))
	s.write(waits, 0, wordFrames)
	s.health(health.Healthy, "sessions 2, waiting 0, failing 0", "")
	waits.Close()
	s.health(health.Degraded, "sessions 2, waiting 1, failing 0", "2 sessions open, which is the limit; 1 wait")
	s.resumes(waits.ID())
	s.health(health.Healthy, "sessions 2, waiting 0, failing 0", "")
	s.end()
	s.health(health.Healthy, "sessions 0, waiting 0, failing 0", "")
}

// A disk that is full, or fails, ends the connection. Nothing that it did not take is acknowledged, and the client goes on with it later.
func TestADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	const frames = 10 * wordFrames
	for situation, c := range map[string]struct {
		breaks, mends func(s *studio, disk *recordingtest.Disk)
		before        int // frames that come before it breaks
		code          scout.Code
	}{
		"full":        {func(_ *studio, d *recordingtest.Disk) { d.Fill(5000) }, func(_ *studio, d *recordingtest.Disk) { d.Free() }, frames / 2, scout.CodeDiskFull},
		"failing":     {func(_ *studio, d *recordingtest.Disk) { d.Fail(true) }, func(_ *studio, d *recordingtest.Disk) { d.Fail(false) }, frames / 2, scout.CodeWriteFailed},
		"not syncing": {func(_ *studio, d *recordingtest.Disk) { d.FailSyncs(1) }, func(*studio, *recordingtest.Disk) {}, frames / 2, scout.CodeWriteFailed},
		"the recorder needs it": {
			func(s *studio, _ *recordingtest.Disk) { s.reserve.Store(1 << 60) }, func(s *studio, _ *recordingtest.Disk) { s.reserve.Store(0) }, 0, scout.CodeDiskLow,
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			disk := recordingtest.New()
			s := newStudio(t, on(disk))
			connection := s.start(order(rate))
			s.write(connection, 0, c.before)
			s.synced(connection, c.before)
			c.breaks(s, disk)
			_ = connection.Write(uint64(c.before), soundOf(c.before, frames))
			<-connection.Gone()
			if got := scout.CodeOf(connection.Err()); got != c.code {
				t.Errorf("%v, want %s", connection.Err(), c.code)
			}
			if connection.Safe() > uint64(c.before)+5000/4 {
				t.Errorf("%d frames are acknowledged", connection.Safe())
			}
			s.health(health.Unhealthy, "sessions 1, waiting 1, failing 1", scout.Plain(connection.Err()))
			c.mends(s, disk)
			connection = s.resumes(connection.ID())
			s.write(connection, int(connection.Safe()), frames)
			s.synced(connection, frames)
			s.health(health.Healthy, "sessions 1, waiting 0, failing 0", "")
			if err := connection.Stop(frames); err != nil {
				t.Fatal(err)
			}
			if got := s.text(connection.ID()); got != script(frames/wordFrames) {
				t.Errorf("text %q", got)
			}
			if m, err := s.folder.Verify(connection.ID()); err != nil || m.Frames != frames || len(m.Gaps) > 0 {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// What a client can never send is a gap, in the recording, in the events and in the journal, and the words around it are where they were said.
func TestWhatAClientHasLostIsAGap(t *testing.T) {
	t.Parallel()
	const frames = 20 * wordFrames
	for situation, c := range map[string]struct {
		send func(s *studio, c *browser.Connection) *browser.Connection
		gaps []scout.Gap
		text string
	}{
		"in the middle": {func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, 5*wordFrames)
			s.write(c, 10*wordFrames, frames)
			s.write(c, 6*wordFrames, 7*wordFrames) // too late
			return c
		}, []scout.Gap{{Start: 5 * wordFrames, Frames: 5 * wordFrames}}, script(5) + " " + speechtest.Script(10, 20)},
		"over the end of the daemon": {func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, 5*wordFrames)
			s.synced(c, 5*wordFrames)
			s.again()
			c = s.resumes(c.ID())
			s.write(c, 10*wordFrames, frames)
			return c
		}, []scout.Gap{{Start: 5 * wordFrames, Frames: 5 * wordFrames}}, script(5) + " " + speechtest.Script(10, 20)},
		"at the end": {func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 0, 5*wordFrames)
			return c
		}, []scout.Gap{{Start: 5 * wordFrames, Frames: 15 * wordFrames}}, script(5)},
		"at the beginning": {func(s *studio, c *browser.Connection) *browser.Connection {
			s.write(c, 10*wordFrames, frames)
			return c
		}, []scout.Gap{{Start: 0, Frames: 10 * wordFrames}}, speechtest.Script(10, 20)},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t, func(s *studio) { s.options.MissingWithin = 50 * time.Millisecond })
			connection := c.send(s, s.start(order(rate)))
			if err := connection.Stop(frames); err != nil {
				t.Fatal(err)
			}
			m := s.finished(connection)
			if m.Frames != frames || len(m.Gaps) != len(c.gaps) {
				t.Fatalf("%+v", m)
			}
			told := 0
			for _, e := range s.events(connection.ID()) {
				if e.Type != event.Gap {
					continue
				}
				want := c.gaps[told]
				if told++; *e.StartFrame != uint64(want.Start) || e.Frames != want.Frames || e.Reason != "client_lost" || e.Start == nil || e.End == nil {
					t.Errorf("%+v, want %+v", e, want)
				}
			}
			for i, g := range m.Gaps {
				if want := c.gaps[i]; g.Start != want.Start || g.Frames != want.Frames || g.Reason != recording.GapClientLost {
					t.Errorf("%+v, want %+v", g, want)
				}
			}
			if told != len(c.gaps) {
				t.Errorf("%d gaps are told, want %d", told, len(c.gaps))
			}
			if got := s.text(connection.ID()); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
		})
	}
}

// A session whose client does not come back ends with what came.
func TestAClientThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t, func(s *studio) { s.options.Resume = time.Second })
	for _, frames := range []int{5 * wordFrames, 0} {
		c := s.start(order(rate))
		s.write(c, 0, frames)
		c.Close()
		m, err := c.Ended()
		if frames == 0 {
			if _, lookErr := s.folder.Sight(c.ID()); scout.CodeOf(lookErr) != scout.CodeRecordingNotFound || err == nil || s.promises.Of(c.ID()) != "withdrawn" {
				t.Errorf("a session without a frame leaves %v, %v, its promise %s", lookErr, err, s.promises.Of(c.ID()))
			}
			continue
		}
		if err != nil || m.EndReason != recording.EndSource || m.Frames != uint64(frames) {
			t.Errorf("%+v, %v", m, err)
		}
		if got := s.text(c.ID()); got != script(5) {
			t.Errorf("text %q", got)
		}
		again := s.resumes(c.ID())
		if m, err := again.Ended(); err != nil || m.EndReason != recording.EndSource || again.Safe() != uint64(frames) {
			t.Errorf("who comes back too late is told %+v, %v", m, err)
		}
		if err := again.Write(uint64(frames), soundOf(frames, frames+100)); err != nil {
			t.Error(err)
		}
	}
}

// Without a model the sound is recorded all the same, and its text is owed.
func TestSoundWithoutAModel(t *testing.T) {
	t.Parallel()
	s := newStudio(t, func(s *studio) {
		s.borrow = func() error { return scout.Errorf(scout.CodeModelNotInstalled, "no model is installed") }
	})
	c := s.start(order(rate))
	all := s.events(c.ID())
	if last := all[len(all)-1]; last.State != event.Failed || last.Error.Code != scout.CodeModelNotInstalled {
		t.Errorf("%+v", last)
	}
	s.write(c, 0, 5*wordFrames)
	s.synced(c, 5*wordFrames)
	if left := s.promises.Of(c.ID()); left != "promised" {
		t.Errorf("the promise of its text: %s", left)
	}
	if err := c.Stop(5 * wordFrames); err != nil {
		t.Fatal(err)
	}
	if m := s.finished(c); m.Frames != 5*wordFrames || s.promises.Of(c.ID()) != "ended" {
		t.Errorf("%+v, its promise %s", m, s.promises.Of(c.ID()))
	}
}

// Sound of every rate and form is recorded as it is sent, and heard to its end.
func TestSoundOfEveryFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []scout.Format{
		{SampleRateHz: 8000, Channels: 1, Sample: scout.SampleS16},
		{SampleRateHz: 11025, Channels: 1, Sample: scout.SampleF32},
		{SampleRateHz: 44100, Channels: 2, Sample: scout.SampleS16},
		{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleF32},
		{SampleRateHz: 192000, Channels: 6, Sample: scout.SampleS16},
	} {
		s := newStudio(t)
		c := s.start(browser.Order{Format: format})
		frames := format.SampleRateHz*3/2 + 1
		sound := make([]byte, frames*format.FrameBytes())
		recordingtest.Coded(sound, format.FrameBytes(), 0)
		if format.Sample == scout.SampleF32 { // any bits are no sound
			clear(sound)
		}
		if err := c.Write(0, sound); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(uint64(frames)); err != nil {
			t.Fatal(err)
		}
		if m := s.finished(c); m.Frames != uint64(frames) || m.Format != format {
			t.Errorf("%+v", m)
		}
		s.text(c.ID())
		for _, e := range s.events(c.ID()) {
			if e.Type == event.Final && event.Length(e.Duration).Round(10*time.Millisecond) != 1500*time.Millisecond {
				t.Errorf("%+v: the text is of %v", format, *e.Duration)
			}
		}
		if _, err := s.folder.Verify(c.ID()); err != nil {
			t.Error(err)
		}
	}
}

// A client that begins one session too many ends the one of its own that has waited longest, and nobody else's.
func TestSessionsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	of := func(client string) browser.Order {
		o := order(rate)
		o.Sender.Client = client
		return o
	}
	others := s.start(of("b"))
	s.write(others, 0, wordFrames)
	others.Close()
	first, second := s.start(of("a")), s.start(of("a"))
	s.write(first, 0, 2*wordFrames)
	if _, err := s.Start(t.Context(), of("a")); scout.CodeOf(err) != scout.CodeRateLimit {
		t.Errorf("a third session while two are connected: %v", err)
	}
	first.Close()
	third := s.start(of("a"))
	if m := s.finished(first); m.EndReason != recording.EndSource || m.Frames != 2*wordFrames {
		t.Errorf("%+v", m)
	}
	if got := s.text(first.ID()); got != script(2) {
		t.Errorf("text %q", got)
	}
	for _, c := range []*browser.Connection{second, third} {
		if c.Err() != nil {
			t.Errorf("a session that is connected ended: %v", c.Err())
		}
	}
	if again := s.resumes(others.ID()); again.Safe() != wordFrames {
		t.Errorf("%d frames of another client are left", again.Safe())
	}
	var releases []func()
	for range 2 {
		release, err := s.Admit("a")
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if _, err := s.Admit("a"); scout.CodeOf(err) != scout.CodeRateLimit {
		t.Errorf("a third connection of a client: %v", err)
	}
	releases[0]()
	if release, err := s.Admit("a"); err != nil {
		t.Error(err)
	} else {
		release()
	}
	releases[1]()
}

// A recording is no longer than is allowed.
func TestSoundThatIsTooLong(t *testing.T) {
	t.Parallel()
	s := newStudio(t, func(s *studio) { s.options.MostAudio = time.Second })
	c := s.start(order(rate))
	s.write(c, 0, 2*rate)
	if m := s.finished(c); m.EndReason != recording.EndMaxDuration || m.Frames != rate {
		t.Errorf("%+v", m)
	}
	if got := s.text(c.ID()); got != script(rate/wordFrames) {
		t.Errorf("text %q", got)
	}
}

// A client that jumps again and again has its limit, and the session goes on without it.
func TestTooManyGaps(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	c := s.start(order(rate))
	var err error
	at := uint64(0)
	for n := 0; err == nil && n < 5000; n++ {
		at += 2
		err = c.Write(at, soundOf(int(at), int(at)+1))
		at++
	}
	if scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Fatalf("after frame %d: %v", at, err)
	}
	c = s.resumes(c.ID())
	if err := c.Stop(c.Safe()); err != nil {
		t.Fatal(err)
	}
	if m := s.finished(c); len(m.Gaps) != 1000 {
		t.Errorf("%d gaps", len(m.Gaps))
	}
}
