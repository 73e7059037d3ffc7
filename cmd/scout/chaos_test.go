//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/testrun"
)

// The tests in this file measure the promises about recording. make chaos and make soak run them and print the results
// as one table.

// TestChaosRecording takes microphone, server and recorder away from a recording by the built program, each as often as
// SCOUT_CHAOS says. It compares what is on disk with what was played.
func TestChaosRecording(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("SCOUT_CHAOS"))
	if err != nil {
		t.Skip("SCOUT_CHAOS says how often, for example 20")
	}
	var asked, recorded, away time.Duration
	events := 0
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			r := sufferOften(t, f, times)
			r.report(t, f)
			asked, recorded, away = asked+r.asked, recorded+r.recorded, away+r.away
			events += r.times
		})
	}
	if asked == 0 {
		return
	}
	figures{t, "all faults"}.report("availability where a device existed", percent(recorded, asked-away)+fmt.Sprintf(" of %s, a fault every %s",
		(asked-away).Round(time.Second), (asked/time.Duration(max(events, 1))).Round(100*time.Millisecond)), "", true)
}

// result is the result of a series of faults.
type result struct {
	times                 int
	noticed, again, off   spread
	gaps                  spread
	asked, recorded, away time.Duration
	good, lost, wrong     uint64 // frames
	unavailable           time.Duration
}

func sufferOften(t *testing.T, f fault, times int) *result {
	t.Helper()
	b := newBooth(t)
	args := []string{"record", "--quiet", "--rate", "48000"}
	if f.named {
		args = append(args, "--device", "mic.monitor")
	}
	program := b.start(args...)
	var witness *pulsetest.Witness
	if f.control {
		witness = b.mic.Listen(48_000, 1)
	}
	p := &patient{booth: b}
	p.attach()
	r := &result{times: times}
	for range times {
		suffer(t, f, p, r)
	}
	program.signal(syscall.SIGINT)
	if got := program.end(); got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	m := b.only()
	r.asked, r.recorded = m.Duration(), m.Duration()-m.Format.Duration(m.LostFrames())
	for _, g := range m.Gaps {
		r.gaps = append(r.gaps, m.Format.Duration(g.Frames))
	}
	r.away = min(r.away, r.asked-r.recorded) // what the server caught up with was not away
	r.unavailable = r.asked - r.away - r.recorded
	r.judge(t, b, m, p.played, witness)
	return r
}

// signalLength is the number of frames of the coded signal that are played for one fault.
const signalLength = 12 * 48_000

// suffer makes one fault happen while the coded signal is played from its beginning.
func suffer(t *testing.T, f fault, p *patient, r *result) {
	t.Helper()
	player := p.play()
	defer func() { player.Close() }()
	p.heardFrames(800 * time.Millisecond)
	before := p.clock()
	if f.quiet {
		player.Close()
	}
	harmed := time.Now()
	f.harm(p)
	if f.silent {
		<-p.client.Done()
		p.attach()
		healthy := p.state().Captured
		for p.state().Captured == healthy {
			time.Sleep(time.Millisecond) // as untilFrames
		}
		r.again = append(r.again, time.Since(harmed))
	} else {
		noticed := p.await(harmed, recording.KindDeviceLost, recording.KindDeviceChanged)
		r.noticed = append(r.noticed, noticed.At.Sub(harmed))
		healed := harmed
		if f.heal != nil {
			time.Sleep(time.Second) // how long it lasts
			f.heal(p)
			healed = time.Now()
			if f.deviceless {
				r.away += healed.Sub(harmed)
			}
		}
		r.again = append(r.again, p.await(healed, recording.KindDeviceOpened).At.Sub(healed))
		player.Close()
		player = p.play()
	}
	p.heardFrames(700 * time.Millisecond)
	r.off = append(r.off, (p.clock() - before).Abs())
}

// judge compares what is on disk with what was played, each signal by itself, since each has its own seed. A frame is
// lost if the signal continues later than where it stopped, with no gap in between, and the control recording, if there
// is one, has the frame.
func (r *result) judge(t *testing.T, b *booth, m recording.Manifest, played int, witness *pulsetest.Witness) {
	t.Helper()
	content, err := os.ReadFile(b.folder().AudioPath(m.ID))
	if err != nil {
		t.Fatal(err)
	}
	audio := content[recording.HeaderBytes:][:m.Frames*2]
	var beside []byte
	if witness != nil {
		beside = witness.Stop()
	}
	var all []pulsetest.Run
	for n := range played {
		seed := uint64(101 + n)
		runs := pulsetest.Decode(audio, 1, seed, signalLength)
		all = append(all, runs...)
		var delivered []pulsetest.Run
		if witness != nil {
			delivered = pulsetest.Decode(beside, 1, seed, signalLength)
		}
		for i, run := range runs {
			r.good += run.Frames
			if i > 0 {
				r.lost += lostBetween(runs[i-1], run, m.Gaps, delivered, witness != nil)
			}
		}
	}
	// Outside the signals there is silence. Anything else was not played.
	slices.SortFunc(all, func(x, y pulsetest.Run) int { return cmp.Compare(x.At, y.At) })
	var end uint64
	for _, run := range append(all, pulsetest.Run{At: m.Frames}) {
		r.wrong += nonSilent(audio[2*min(end, run.At) : 2*run.At])
		end = run.At + run.Frames
	}
}

// lostBetween counts the frames of a signal that are missing between two runs of it.
func lostBetween(before, after pulsetest.Run, gaps []scout.Gap, delivered []pulsetest.Run, controlled bool) (lost uint64) {
	from, to := before.Source+before.Frames, after.Source
	if to <= from || slices.ContainsFunc(gaps, func(g scout.Gap) bool { return uint64(g.Start) < after.At && uint64(g.End()) > before.At+before.Frames }) {
		return 0
	}
	if !controlled {
		return to - from
	}
	for _, run := range delivered {
		first, last := max(from, run.Source), min(to, run.Source+run.Frames)
		lost += max(first, last) - first
	}
	return lost
}

// nonSilent counts 16-bit frames that are not zero.
func nonSilent(b []byte) (n uint64) {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] != 0 || b[i+1] != 0 {
			n++
		}
	}
	return n
}

func (r *result) report(t *testing.T, f fault) {
	t.Helper()
	group := figures{t, fmt.Sprintf("%s, %d times", f.name, r.times)}
	if len(r.noticed) > 0 {
		group.report("noticed after", r.noticed.String(), "1s", r.noticed.most() <= time.Second)
	}
	group.report("recording again after", r.again.String(), f.limit.String(), r.again.most() <= f.limit)
	group.report("length of the gap wrong by", r.off.String(), "50ms", r.off.most() <= 50*time.Millisecond)
	group.report("fidelity", percentOf(r.good, r.good+r.lost+r.wrong)+fmt.Sprintf(" of %d frames, %d lost, %d wrong", r.good+r.lost+r.wrong, r.lost, r.wrong), "100 %", r.lost+r.wrong == 0)
	group.report("availability", percent(r.recorded, r.asked)+fmt.Sprintf(" of %s, %s where a device existed", r.asked.Round(time.Second), percent(r.recorded, r.asked-r.away)), "", true)
	each := max(r.unavailable, 0) / time.Duration(r.times)
	group.report("99.9 % availability", fmt.Sprintf("with one every %s or rarer", (1000*each).Round(time.Second)), "", true)
}

// TestChaosStarter kills the program that began the recording, and each one that attached to it, as often as
// SCOUT_CHAOS says. Not one frame may be missing.
func TestChaosStarter(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("SCOUT_CHAOS"))
	if err != nil {
		t.Skip("SCOUT_CHAOS says how often, for example 20")
	}
	b := newBooth(t)
	program := b.start(append([]string{"record"}, studio...)...)
	program.await("recording…")
	witness := b.mic.Listen(48_000, 1)
	b.mic.PlayEndless(codedSeed, 48_000, 1)
	b.untilFrames(48_000)
	var attached spread
	for range times {
		if err := syscall.Kill(-program.cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		program.end()
		began := time.Now()
		program = b.start("recordings", "attach")
		program.await("attached to")
		attached = append(attached, time.Since(began))
		time.Sleep(200 * time.Millisecond) // a program that was there for a while
	}
	heard := witness.Stop()
	time.Sleep(200 * time.Millisecond) // what it heard is on disk
	program.signal(syscall.SIGINT)
	program.end()
	m := b.only()
	_, runs := b.heard(m, 60*48_000)
	delivered := pulsetest.Decode(heard, 1, codedSeed, 60*48_000)
	group := figures{t, fmt.Sprintf("starter killed, %d times", times)}
	group.report("attached again after", attached.String(), "1s", attached.most() <= time.Second)
	lost := pulsetest.Missing(runs, delivered) + m.LostFrames()
	group.report("frames missing", fmt.Sprintf("%d of %d", lost, m.Frames), "0", lost == 0)
}

// TestChaosDaemon kills the daemon that began a recording, and each one that took it over, as often as SCOUT_CHAOS
// says: alone, with its process group and session, and with its control group. Not one frame may be missing.
func TestChaosDaemon(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("SCOUT_CHAOS"))
	if err != nil {
		t.Skip("SCOUT_CHAOS says how often, for example 20")
	}
	for _, how := range []string{"by itself", "with its group and session", "with its control group"} {
		t.Run(how, func(t *testing.T) {
			h := inHouse(newBooth(t))
			begin := h.command(append([]string{"start"}, studio...)...)
			var g testrun.ControlGroup
			if how == "with its control group" {
				above := testrun.NewControlGroup(t, "memory")
				above.Delegate(t)
				g = above.Below(t, "starter")
				g.Within(t, begin)
			}
			if got := outcomeOf(t, begin); got.code != 0 {
				t.Fatalf("start: exit %d: %s", got.code, got.err)
			}
			witness := h.mic.Listen(48_000, 1)
			h.mic.PlayEndless(codedSeed, 48_000, 1)
			h.untilFrames(48_000)
			recorder, _ := h.recorder()
			var ready spread
			for range times {
				holder, _ := h.holder()
				killed := time.Now()
				switch how {
				case "by itself":
					kill(t, holder.PID, syscall.SIGKILL)
				case "with its group and session":
					kill(t, -holder.PID, syscall.SIGKILL)
				default:
					g.Kill(t)
				}
				next := h.command("status")
				if g.Folder != "" {
					g.Within(t, next)
				}
				if got := outcomeOf(t, next); got.code != 0 {
					t.Fatalf("status: exit %d: %s", got.code, got.err)
				}
				ready = append(ready, time.Since(killed))
				time.Sleep(200 * time.Millisecond) // a daemon that was there for a while
			}
			heard := witness.Stop()
			time.Sleep(200 * time.Millisecond) // what it heard is on disk
			if pid, _ := h.recorder(); pid != recorder {
				t.Errorf("recorder %d, before %d", pid, recorder)
			}
			h.must("stop")
			m := h.only()
			longest := m.Frames + 10*48_000
			good, runs := h.heard(m, longest)
			lost := pulsetest.Missing(runs, pulsetest.Decode(heard, 1, codedSeed, longest)) + m.LostFrames()
			group := figures{t, fmt.Sprintf("daemon killed %s, %d times", how, times)}
			group.report("ready again after", ready.String(), "1s", ready.most() < time.Second)
			group.report("fidelity", percentOf(good, good+lost)+fmt.Sprintf(" of %d frames played, %d lost", good+lost, lost), "100 %", lost == 0 && good > 0)
		})
	}
}

// TestSoakRecording records the coded signal for as long as SCOUT_SOAK says ("10m"), in the real recorder process, and
// compares every frame. The caller decides what else the machine does.
func TestSoakRecording(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SCOUT_SOAK"))
	if err != nil {
		t.Skip("SCOUT_SOAK says for how long, for example 10m")
	}
	b := newBooth(t)
	b.must(append([]string{"record", "--detach", "--quiet"}, studio...)...)
	b.mic.PlayEndless(codedSeed, 48_000, 1)
	p := &patient{booth: b}
	p.attach()
	pid := b.recorderPID()
	time.Sleep(2 * time.Second) // what the start costs does not count
	began, before := time.Now(), processorTime(t, pid)
	for time.Since(began) < length {
		time.Sleep(min(time.Second, length-time.Since(began)+time.Millisecond))
	}
	share := float64(processorTime(t, pid)-before) / float64(time.Since(began))
	resident := residentPeak(t, pid)
	state, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.must("record", "stop", "--quiet")
	m := b.only()

	group := figures{t, fmt.Sprintf("recording for %s, load %s", length, loadAverage(t))}
	good, silent, skips, wrong := compareCoded(t, b.folder().AudioPath(m.ID), m.Frames)
	whole := good + skips + wrong
	group.report("frames as they were played", fmt.Sprintf("%s of %d", percentOf(good, whole), whole), "100 %", skips+wrong == 0)
	group.report("silence where the player was late", fmt.Sprintf("%d frames", silent), "", true)
	group.report("gaps", gapsText(len(m.Gaps), m.Format.Duration(m.LostFrames())), "none", len(m.Gaps) == 0)
	if m.DriftPPM != nil {
		group.report("drift of the clock", fmt.Sprintf("%.1f ppm", *m.DriftPPM), "", true)
	}
	if c := state.Callback; c != nil {
		group.report("callback", fmt.Sprintf("p50 %s, p99.9 %s, max %s of %d", c.P50, c.P999, c.Max, c.Count), "p99.9 100µs", c.P999 <= 100*time.Microsecond)
	}
	group.report("processor of the recorder at 48 kHz mono", fmt.Sprintf("%.2f %% of a core", 100*share), "3 %", share < 0.03)
	group.report("resident size of the recorder", fmt.Sprintf("%.1f MB at most", float64(resident)/1e6), "30 MB", resident < 30e6)
}

// compareCoded reads the coded signal frame by frame. It counts the frames that are as they were played, silent (the
// player was late), skipped, or anything else.
func compareCoded(t *testing.T, path string, frames uint64) (good, silent, skips, wrong uint64) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	audio := content[recording.HeaderBytes:][:2*frames]
	const window = 10 * 48_000
	var next uint64
	for at := uint64(0); at < frames; {
		// After a stretch of silence, the signal continues where it stopped, or later.
		chunk := audio[2*at : 2*min(frames, at+window)]
		run, ok := firstRun(chunk, next, window)
		if !ok {
			wrong += nonSilent(chunk)
			silent += uint64(len(chunk)/2) - nonSilent(chunk)
			at += uint64(len(chunk) / 2)
			continue
		}
		before := chunk[:2*run.At]
		wrong += nonSilent(before)
		silent += run.At - nonSilent(before)
		if next > 0 {
			skips += run.Source - next
		}
		at += run.At
		next = run.Source
		for at < frames && coded(audio, at, next) {
			at, next, good = at+1, next+1, good+1
		}
	}
	return good, silent, skips, wrong
}

// firstRun finds the first stretch of the signal that begins at a given frame of it or later.
func firstRun(recorded []byte, from, within uint64) (pulsetest.Run, bool) {
	index := make(map[uint64]uint64, within)
	var key uint64
	for i := range within {
		key = key<<16 | uint64(uint16(virtual.Coded(codedSeed, from+i, 0)))
		if i >= 3 {
			index[key] = from + i - 3
		}
	}
	key = 0
	for i := range uint64(len(recorded) / 2) {
		key = key<<16 | uint64(recorded[2*i]) | uint64(recorded[2*i+1])<<8
		if source, ok := index[key]; ok && i >= 3 {
			return pulsetest.Run{At: i - 3, Source: source}, true
		}
	}
	return pulsetest.Run{}, false
}

func coded(audio []byte, at, source uint64) bool {
	return int16(uint16(audio[2*at])|uint16(audio[2*at+1])<<8) == virtual.Coded(codedSeed, source, 0)
}
