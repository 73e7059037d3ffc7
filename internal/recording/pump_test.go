package recording_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// session is a recording under way in a test, its device and its pump.
type session struct {
	folder *recording.Folder
	disk   *recordingtest.Disk
	ring   *ring.Ring
	writer *recording.Writer
	pump   *recording.Pump
	ended  chan error
}

// begin starts a recording whose device delivers for so long, with a ring that holds that much.
func begin(t testing.TB, ringHolds, delivers time.Duration, options recording.PumpOptions) *session {
	t.Helper()
	folder, disk := openFolder(t)
	s := &session{folder: folder, disk: disk, ring: newRing(t, speech, ringHolds), writer: create(t, folder, speech), ended: make(chan error, 1)}
	s.pump = recording.NewPump(s.ring, s.writer, options)
	go func() { // ends with the pump
		_, err := s.pump.Run(t.Context())
		s.ended <- err
	}()
	go deliver(t.Context(), s.ring, speech, delivers) // ends by itself or with the test
	return s
}

// end stops the recording and returns its manifest and the error of the pump.
func (s *session) end(t testing.TB) (recording.Manifest, error) {
	t.Helper()
	s.pump.Stop(s.ring.Head())
	err := <-s.ended
	return finish(t, s.writer), err
}

func TestNothingIsLostWhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(*recordingtest.Disk)
		ends  func(*recordingtest.Disk)
		lasts time.Duration
		want  recording.Condition
	}{
		{"the disk is full for 20 s", func(d *recordingtest.Disk) { d.Fill(777) }, (*recordingtest.Disk).Free, 20 * time.Second, recording.ConditionDiskFull},
		{"the disk stalls for 30 s", func(d *recordingtest.Disk) { d.Stall(true) }, func(d *recordingtest.Disk) { d.Stall(false) }, 30 * time.Second, recording.ConditionStalled},
		{"the disk refuses for 30 s", func(d *recordingtest.Disk) { d.Fail(true) }, func(d *recordingtest.Disk) { d.Fail(false) }, 30 * time.Second, recording.ConditionWriteFailed},
		{"the disk is slow for 30 s", func(d *recordingtest.Disk) { d.Slow(80 * time.Millisecond) }, func(d *recordingtest.Disk) { d.Slow(0) }, 30 * time.Second, recording.ConditionOK},
		{"syncs fail", func(d *recordingtest.Disk) { d.FailSyncs(3) }, func(*recordingtest.Disk) {}, time.Second, recording.ConditionOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, time.Minute, time.Minute, recording.PumpOptions{})
				time.Sleep(5 * time.Second)
				c.fault(s.disk)
				time.Sleep(c.lasts)
				if got := s.pump.Trouble().Condition; got != c.want {
					t.Errorf("condition %s during the fault, want %s", got, c.want)
				}
				c.ends(s.disk)
				time.Sleep(time.Minute)
				if got := s.pump.Trouble().Condition; got != recording.ConditionOK {
					t.Errorf("condition %s after the fault", got)
				}
				m, err := s.end(t)
				if err != nil {
					t.Error(err)
				}
				if want := speech.Frames(time.Minute); m.Frames != want || len(m.Gaps) != 0 {
					t.Errorf("%d frames and gaps %v, want %d frames and none", m.Frames, m.Gaps, want)
				}
				checkAudio(t, s.folder, m)
				if _, err := s.folder.Verify(m.ID); err != nil {
					t.Error(err)
				}
				if got := s.disk.Synced(s.folder.AudioPath(m.ID)); got != int64(m.Frames)*2+recording.HeaderBytes {
					t.Errorf("%d bytes are on the device", got)
				}
			})
		})
	}
}

func TestBeyondTheRingTheLossIsWhatTheGapsSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(*recordingtest.Disk)
		ends  func(*recordingtest.Disk)
		want  scout.GapReason
	}{
		{"full", func(d *recordingtest.Disk) { d.Fill(0) }, (*recordingtest.Disk).Free, recording.GapDiskFull},
		{"stalled", func(d *recordingtest.Disk) { d.Stall(true) }, func(d *recordingtest.Disk) { d.Stall(false) }, recording.GapDiskStalled},
		{"failing", func(d *recordingtest.Disk) { d.Fail(true) }, func(d *recordingtest.Disk) { d.Fail(false) }, recording.GapWriteFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				registry := prom.NewRegistry()
				metrics := recording.NewMetrics(observe.NewScope(nil, registry, nil))
				s := begin(t, 4*time.Second, 40*time.Second, recording.PumpOptions{Metrics: metrics})
				metrics.Follow(s.writer, nil)
				time.Sleep(5 * time.Second)
				before := s.writer.Frames()
				c.fault(s.disk)
				time.Sleep(20 * time.Second)
				c.ends(s.disk)
				time.Sleep(20 * time.Second)
				m, err := s.end(t)
				if err != nil {
					t.Error(err)
				}
				if m.Frames != uint64(s.ring.Head()) {
					t.Errorf("%d frames captured, %d in the file", s.ring.Head(), m.Frames)
				}
				if len(m.Gaps) != 1 || m.Gaps[0].Reason != c.want {
					t.Fatalf("gaps %v, want one for %s", m.Gaps, c.want)
				}
				// The ring holds 65,536 frames; the reader skips a 64th of it more than it must.
				lost, least := m.Gaps[0].Frames, speech.Frames(20*time.Second)-s.ring.Capacity()
				if lost < least || lost > least+s.ring.Capacity()/64+speech.Frames(time.Second) {
					t.Errorf("%d frames lost, want little more than %d", lost, least)
				}
				if m.Gaps[0].Start < scout.Position(before) {
					t.Errorf("gap begins at %d, but %d frames were written before the fault", m.Gaps[0].Start, before)
				}
				checkAudio(t, s.folder, m)
				if _, err := s.folder.Verify(m.ID); err != nil {
					t.Error(err)
				}
				if got := counter(t, registry, "scout_recording_gap_frames_total"); got != float64(lost) {
					t.Errorf("scout_recording_gap_frames_total %v, want %d", got, lost)
				}
				if got := counter(t, registry, "scout_recording_written_frames_total"); got != float64(m.Frames-lost) {
					t.Errorf("scout_recording_written_frames_total %v, want %d", got, m.Frames-lost)
				}
			})
		})
	}
}

// counter returns the sum over all series of a counter.
func counter(t testing.TB, registry prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestStopOnAFullDiskEndsInAFinalFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, time.Minute, 10*time.Second, recording.PumpOptions{FinishWithin: 3 * time.Second})
		time.Sleep(5 * time.Second)
		s.disk.Fill(0)
		time.Sleep(10 * time.Second)
		s.pump.Stop(s.ring.Head())
		err := <-s.ended
		if scout.CodeOf(err) != scout.CodeDiskFull {
			t.Errorf("Run = %v, want %s", err, scout.CodeDiskFull)
		}
		s.disk.Free()
		m := finish(t, s.writer)
		if m.Frames != uint64(s.ring.Head()) || len(m.Gaps) != 1 || m.Gaps[0].End() != scout.Position(m.Frames) || m.Gaps[0].Reason != recording.GapDiskFull {
			t.Errorf("%d frames of %d, gaps %v: want all, the last of them a gap", m.Frames, s.ring.Head(), m.Gaps)
		}
		checkAudio(t, s.folder, m)
	})
}

func TestTheManifestOfAFullDiskIsWrittenFromTheReserve(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolderOn(&reserved{OSDisk: recording.OSDisk{}}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := finish(t, create(t, folder, speech))
	if got, err := folder.Manifest(m.ID); err != nil || got.State != recording.StateFinished {
		t.Errorf("manifest %+v, %v", got, err)
	}
}

func TestStopTakesWhatWasDeliveredBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, time.Minute, 10*time.Second, recording.PumpOptions{})
		time.Sleep(3*time.Second + 7*time.Millisecond)
		at := s.ring.Head()
		s.pump.Stop(at)
		s.pump.Stop(0)
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		if m := finish(t, s.writer); m.Frames != uint64(at) {
			t.Errorf("%d frames, want %d", m.Frames, at)
		}
	})
}

func TestPumpEndsWithItsContextAndItsSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*ring.Ring, context.CancelFunc)
		want recording.EndReason
	}{
		{"context", func(_ *ring.Ring, cancel context.CancelFunc) { cancel() }, recording.EndShutdown},
		{"source", func(r *ring.Ring, _ context.CancelFunc) { r.Close() }, recording.EndSource},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				folder, _ := openFolder(t)
				r, w := newRing(t, speech, time.Minute), create(t, folder, speech)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				deliver(t.Context(), r, speech, 3*time.Second)
				pump := recording.NewPump(r, w, recording.PumpOptions{})
				time.AfterFunc(time.Second, func() { c.end(r, cancel) })
				reason, err := pump.Run(ctx)
				if reason != c.want || err != nil {
					t.Errorf("Run = %s, %v; want %s", reason, err, c.want)
				}
				if m := finish(t, w); m.Frames != uint64(r.Head()) {
					t.Errorf("%d frames, want %d", m.Frames, r.Head())
				}
			})
		})
	}
}

func TestHeaderShowsAllButTheLastMoments(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 20 * time.Millisecond, 3 * time.Second} {
		t.Run(fmt.Sprintf("a write takes %s", slow), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, time.Minute, 30*time.Second, recording.PumpOptions{})
				random := rand.New(rand.NewPCG(1, uint64(slow)))
				time.Sleep(time.Second)
				if slow == 3*time.Second {
					s.disk.FailSyncs(1 << 30) // only syncs are late: the writes of a stalled disk are late by nature
				} else {
					s.disk.Slow(slow)
				}
				for range 50 {
					time.Sleep(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
					shown := claimed(t, s.folder.AudioPath(s.writer.ID()))
					if late := speech.Duration(uint64(s.ring.Head()) - shown); late > 250*time.Millisecond {
						t.Errorf("after kill -9 other programs would miss %s", late)
					}
				}
				s.disk.FailSyncs(0)
				s.disk.Slow(0)
				if _, err := s.end(t); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestPowerLossTakesAtMostOneSyncInterval(t *testing.T) {
	t.Parallel()
	for _, keep := range []float64{0, 0.5} {
		t.Run(fmt.Sprintf("each unsynced write survives with probability %v", keep), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(7, seed))
					s := begin(t, time.Minute, 30*time.Second, recording.PumpOptions{})
					s.disk.Slow(3 * time.Millisecond)
					time.Sleep(time.Second + time.Duration(random.Int64N(int64(5*time.Second))))
					delivered := uint64(s.ring.Head())
					path := s.folder.AudioPath(s.writer.ID())
					if err := s.disk.PowerLoss(random, keep); err != nil {
						t.Fatal(err)
					}
					after := readFile(t, path)
					s.pump.Stop(s.ring.Head())        // of the machine that lost power nothing continues; end the test's goroutines
					if err := <-s.ended; err != nil { // of a machine without power nobody would hear
						t.Error(err)
					}
					_ = s.writer.Abandon() // as the end of its process does, whatever the disk says
					restoreFile(t, path, after)

					report := repair(t, s.folder)
					if len(report.Repaired) != 1 {
						t.Fatalf("repair: %+v", report)
					}
					m := report.Repaired[0].Manifest
					missing := speech.Duration(delivered - min(m.Frames, delivered))
					// What is synced is a prefix; behind it, with keep > 0, any of the later writes may be there.
					if limit := recording.DefaultSyncEvery + 50*time.Millisecond; missing > limit {
						t.Errorf("seed %d: %s are missing, want at most %s", seed, missing, limit)
					}
					if keep == 0 {
						checkAudio(t, s.folder, m)
					}
					if got := claimed(t, path); got != m.Frames {
						t.Errorf("header claims %d frames of %d", got, m.Frames)
					}
				})
			}
		})
	}
}

// A frame goes from the ring through one buffer into one write. Only the header is written more than once (requirement S11).
func TestEveryByteIsWrittenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, time.Minute, 10*time.Second, recording.PumpOptions{})
		before := s.disk.Count()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		count := s.disk.Count()
		headers := count.Bytes - before.Bytes - int64(s.writer.Frames())*int64(speech.FrameBytes())
		if headers%recording.HeaderBytes != 0 || headers/recording.HeaderBytes > 80 || headers == 0 {
			t.Errorf("%d bytes written for %d frames: %d more than the audio", count.Bytes-before.Bytes, s.writer.Frames(), headers)
		}
		if syncs := count.Syncs - before.Syncs; syncs < 60 || syncs > 72 {
			t.Errorf("%d syncs in 10 s", syncs)
		}
		if _, err := s.end(t); err != nil {
			t.Error(err)
		}
	})
}

func TestPumpAllocatesNothingPerBlock(t *testing.T) {
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, w := newRing(t, speech, time.Second), create(t, folder, speech)
	pump := recording.NewPump(r, w, recording.PumpOptions{Metrics: recording.NewMetrics(observe.Scope{})})
	block := make([]byte, 800)
	n := testing.AllocsPerRun(300, func() {
		r.Write(block)
		recording.StepForTest(pump)
	})
	if n != 0 {
		t.Errorf("%v allocations for each block from the ring to the file", n)
	}
	if w.Frames() != uint64(r.Head()) {
		t.Errorf("%d frames written of %d", w.Frames(), r.Head())
	}
	finish(t, w)
}

// Silence that capture put into the ring does not count as written, whether its gap is known at the time of the write or only later.
func TestWrittenFramesAreWithoutTheSilenceOfGaps(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	metrics := recording.NewMetrics(observe.NewScope(nil, registry, nil))
	second := speech.Frames(time.Second)
	holds := func(t *testing.T, when string, frames, gaps, lost uint64) {
		t.Helper()
		for name, want := range map[string]uint64{
			"scout_recording_written_frames_total": frames, "scout_recording_written_bytes_total": 2 * frames,
			"scout_recording_gaps_total": gaps, "scout_recording_gap_frames_total": lost,
		} {
			if got := counter(t, registry, name); got != float64(want) {
				t.Errorf("%s: %s is %v, want %d", when, name, got, want)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, time.Minute, 4*time.Second, recording.PumpOptions{Metrics: metrics})
		outage := []scout.Gap{{Start: scout.Position(second), Frames: second, Reason: "device_lost"}}
		metrics.Follow(s.writer, func() []scout.Gap { return outage })
		time.Sleep(3*time.Second + 500*time.Millisecond)
		s.pump.Stop(s.ring.Head())
		check(t, <-s.ended)
		have := s.writer.Frames()
		holds(t, "while the writer does not know of it", have-second, 1, second)
		s.writer.AddGap(outage[0])
		s.writer.AddGap(scout.Gap{Start: scout.Position(2 * second), Frames: 10, Reason: "device_lost"}) // one gap with that before it
		s.writer.AddGap(scout.Gap{Start: scout.Position(have) - 5, Frames: 1000, Reason: recording.GapCapture})
		m := finish(t, s.writer)
		metrics.Settle(s.writer)
		if m.LostFrames() != second+15 || len(m.Gaps) != 2 {
			t.Errorf("gaps %+v", m.Gaps)
		}
		metrics.Settle(s.writer)
	})
	if got := counter(t, registry, "scout_recording_gap_frames_total"); got != float64(second+15) {
		t.Errorf("%v frames in gaps", got)
	}
	if got := counter(t, registry, "scout_recording_gaps_total"); got != 2 {
		t.Errorf("%v gaps", got)
	}
}
