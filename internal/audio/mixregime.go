package audio

import "slices"

// Thresholds of the judge, measured in docs/adr/0034-mixing.md.
const (
	// silentPower is -75 dBFS: below it nothing is decoded.
	silentPower = 3.2e-8
	// steadyContrast is the largest difference of a steady sound in dB, between its softest and loudest tenth; noise
	// has 4.
	steadyContrast = 6
	// speechContrast is the difference that speech has in several bands.
	speechContrast = 10
	// oneTone is the share of a frame's power that makes it a tone. mostTones is the share of the frames with sound
	// that makes a channel tonal: beeps, a whistle, a siren. Vowels are harmonics, of which the strongest has less.
	oneTone, mostTones = 0.9, 0.5
	// annoying is how far below speech, in dB, a steady sound does no harm.
	annoying = 20
	// cancelling is the loss, in dB, from which words are lost.
	cancelling = 2.5
	// clean is a loss that costs no words: signs are changed only if no more than this remains.
	clean = 1
	// same is the redundancy of channels with the same sound, other that of different ones.
	same, other = 0.75, 0.55
	// settled is how many frames of speech must agree before a single channel gives way to the mix again, 2 s.
	settled = 64
)

// channelSound describes a channel in the window of a block.
type channelSound struct {
	strong, moving int     // bands that vary as in speech, and bands that vary more than in a steady sound
	speech         float32 // level of the loudest tenth in the bands of speech, dB
	loud           float32 // the same in all bands
	floor          float32 // level of the softest tenth in all bands
	rumble         bool    // nearly all of it is below speech
	tonal          bool    // one tone at a time, constant or intermittent
}

// speaks reports whether the channel certainly holds speech.
func (s *channelSound) speaks() bool { return s.strong >= 4 && !s.rumble && !s.tonal }

// steady reports whether it holds no speech: a tone or a hum may come and go.
func (s *channelSound) steady() bool { return s.moving <= 2 || s.rumble || s.tonal }

// clarity returns how far speech is above the permanent sound, in dB.
func (s *channelSound) clarity() float32 { return s.speech - s.floor }

// mixRegime says which channels are left out, judged block by block.
type mixRegime struct {
	out    []bool
	sounds []channelSound
	memory [mixBands + 1][]float32
}

func newMixRegime(channels int) mixRegime {
	return mixRegime{out: make([]bool, channels), sounds: make([]channelSound, channels)}
}

// block judges the channels for the frames from first on, and decides the states of all known frames.
func (j *mixJudge) block(first int64, frames int) {
	from := max(0, first-mixBehind, j.analysed-mixRing)
	to := min(j.analysed, first+int64(frames)+mixAhead)
	j.leaveOut(from, to)
	j.judged = first
	for j.placed < to {
		j.place(j.placed)
		j.placed++
	}
}

// leaveOut decides which channels are left out, from their sound in the range from, to.
func (j *mixJudge) leaveOut(from, to int64) {
	r := &j.out
	if to-from < 2*mixBlock {
		return // at least a second
	}
	clearest := -1
	for c := range j.channels {
		r.sounds[c] = j.sound(c, from, to)
		if s := &r.sounds[c]; s.speaks() && (clearest < 0 || s.clarity() > r.sounds[clearest].clarity()) {
			clearest = c
		}
	}
	if clearest < 0 {
		for c := range r.out { // nobody speaks: nothing changes, unless a channel is no longer steady
			r.out[c] = r.out[c] && r.sounds[c].steady()
		}
		return
	}
	best := &r.sounds[clearest]
	for c := range r.out {
		s := &r.sounds[c]
		switch {
		case c == clearest:
			r.out[c] = false
		case s.steady():
			r.out[c] = s.loud > best.speech-annoying
		default:
			// A copy of the clearest channel with an additional steady sound.
			r.out[c] = s.clarity() < best.clarity()-10 && s.floor > best.speech-annoying && j.copied(c, clearest, from, to)
		}
	}
}

// copied reports whether the speech of channel c is also in channel clearest, in all frames in which they were
// compared.
func (j *mixJudge) copied(c, clearest int, from, to int64) bool {
	var sum float32
	var n int
	for f := from; f < min(to, j.compared); f++ {
		s := &j.stats[f%mixRing]
		if !s.active || s.lead != c && s.lead != clearest {
			continue
		}
		n++
		if s.lead == c {
			sum += s.redundant[clearest] // the sound of the clearest is in this channel: they say the same
		} else {
			sum += s.redundant[c]
		}
	}
	return n >= mixBlock && sum >= same*float32(n)
}

// sound summarises channel c in the frames of the range from, to.
func (j *mixJudge) sound(c int, from, to int64) channelSound {
	r := &j.out
	for b := range r.memory {
		r.memory[b] = r.memory[b][:0]
	}
	var rumble, all float32
	for f := from; f+2 < to; f++ {
		// Three frames at a time, a tenth of a second: chance averages out, syllables remain.
		a, b, d := &j.stats[f%mixRing].power[c], &j.stats[(f+1)%mixRing].power[c], &j.stats[(f+2)%mixRing].power[c]
		var total, speech float32
		for band := range a {
			power := (a[band] + b[band] + d[band]) / 3
			total += power
			if band > 0 {
				speech += power
				r.memory[band] = append(r.memory[band], power)
			}
		}
		rumble, all = rumble+total-speech, all+total
		r.memory[0] = append(r.memory[0], total)
		r.memory[mixBands] = append(r.memory[mixBands], speech)
	}
	for b := range r.memory {
		slices.Sort(r.memory[b])
	}
	n := len(r.memory[0])
	low, high := n/10, n-1-n/10
	s := channelSound{
		speech: decibels(r.memory[mixBands][high]), loud: decibels(r.memory[0][high]), floor: decibels(r.memory[0][low]),
		rumble: all-rumble < all/100,
	}
	s.tonal = j.tonal(c, from, to, s.loud)
	for b := 1; b < mixBands; b++ {
		loud := max(decibels(r.memory[b][high]), -90)
		if loud < s.speech-45 || loud < -85 {
			continue
		}
		contrast := loud - max(decibels(r.memory[b][low]), -90)
		if contrast >= speechContrast {
			s.strong++
		}
		if contrast >= steadyContrast {
			s.moving++
		}
	}
	return s
}

// tonal reports whether channel c holds one tone at a time wherever it is within 30 dB of its level.
func (j *mixJudge) tonal(c int, from, to int64, level float32) bool {
	var tones, frames int
	for f := from; f < to; f++ {
		s := &j.stats[f%mixRing]
		var power float32
		for _, p := range s.power[c] {
			power += p
		}
		if decibels(power) < level-30 {
			continue
		}
		frames++
		if s.tonal[c] {
			tones++
		}
	}
	return frames > 0 && float64(tones) > mostTones*float64(frames)
}

// mixState is what cancellation requires in one frame.
type mixState struct {
	negative []bool
	signed   bool
	single   bool
}

// mixRun is the history of the present state.
type mixRun struct {
	calm  int   // frames with speech since the last loss
	first int64 // the first frame of a run in which another sign would be better
	count int   // frames with speech of that run
}

// place decides the state of frame i from the one before it.
func (j *mixJudge) place(i int64) {
	s, now := &j.stats[i%mixRing], &j.state
	if s.active && i < j.compared {
		j.turn(i, s)
		rest := s.plainLoss
		if now.signed {
			rest = s.signedLoss
		}
		j.run.calm++
		if rest > cancelling {
			j.run.calm = 0
		}
		redundant := j.mostRedundant(s)
		switch {
		case j.run.calm == 0 && redundant >= same:
			now.single = true
		case j.run.calm > settled || redundant < other:
			now.single = false
		}
	}
	j.states[i%mixRing].set(now)
}

// turn changes signs after half a second of speech that is better with other signs, from the beginning of that half
// second on, as far as it is not mixed yet. Channels that differ only by a delay look better with another sign for a
// moment only.
func (j *mixJudge) turn(i int64, s *mixStats) {
	now, run := &j.state, &j.run
	better := !now.signed && s.plainLoss > cancelling && s.signedLoss < clean ||
		now.signed && s.signedLoss > cancelling && s.plainLoss < clean ||
		now.signed && j.channels > 2 && !slices.Contains(s.negative, true) && s.plainLoss < clean ||
		now.signed && j.channels > 2 && !slices.Equal(now.negative, s.negative) && s.signedLoss < clean && s.plainLoss > cancelling
	if !better {
		run.count = 0
		return
	}
	if run.count++; run.count == 1 {
		run.first = i
	}
	if run.count < mixBlock {
		return
	}
	run.count = 0
	run.calm = settled
	now.single = false
	now.signed = s.plainLoss > cancelling
	copy(now.negative, s.negative)
	for f := max(run.first, j.judged); f < i; f++ {
		j.states[f%mixRing].set(now)
	}
}

func (s *mixState) set(to *mixState) {
	s.signed, s.single = to.signed, to.single
	copy(s.negative, to.negative)
}

// mostRedundant returns the redundancy of the channel, other than the lead, that has least content of its own.
func (j *mixJudge) mostRedundant(s *mixStats) (most float32) {
	for c := range j.channels {
		if c != s.lead {
			most = max(most, s.redundant[c])
		}
	}
	return most
}

// turning reports whether signs change near frame i: there the channels are not added.
func (j *mixJudge) turning(i int64) bool {
	for f := max(0, i-mixShort); f < min(j.placed, i+mixShort+1); f++ {
		a, b := &j.states[f%mixRing], &j.states[i%mixRing]
		if a.signed != b.signed || a.signed && !slices.Equal(a.negative, b.negative) {
			return true
		}
	}
	return false
}

// near returns the greatest redundancy of channel c with the lead close to frame i.
func (j *mixJudge) near(c int, i int64) (most float32) {
	for f := max(0, i-mixShort); f < min(j.compared, i+mixShort+1); f++ {
		if s := &j.stats[f%mixRing]; s.active && s.lead != c {
			most = max(most, s.redundant[c])
		}
	}
	return most
}

// weigh sets the weights for frame i and reports whether they are those of the mean.
func (j *mixJudge) weigh(i int64, weights []float32) (plain bool) {
	s, state := &j.stats[i%mixRing], &j.states[i%mixRing]
	single := state.single || j.turning(i)
	used := 0
	plain = true
	alone := false
	for c := range weights {
		weights[c] = 1
		switch {
		case j.out.out[c]:
			weights[c] = 0
			if s.active {
				j.omitted[c]++
				j.report.LeftOut.add(i)
			}
		case single && c != s.lead && j.near(c, i) >= same:
			weights[c] = 0
			alone = true
		case state.signed && state.negative[c]:
			weights[c] = -1
		case j.channels > 2 && j.loudest[c] < silentPower:
			weights[c] = 0
		}
		if weights[c] != 0 {
			used++
		}
		plain = plain && weights[c] == 1
	}
	if used == 0 {
		for c := range weights {
			weights[c] = 1
		}
		used, plain = len(weights), true
	}
	for c := range weights {
		weights[c] /= float32(used)
	}
	if s.active {
		j.note(i, alone, !plain && state.signed && !alone && used > 1)
	}
	return plain
}

// note counts a frame that is not the mean.
func (j *mixJudge) note(i int64, alone, inverted bool) {
	if alone {
		j.single[j.stats[i%mixRing].lead]++
		j.report.Single.add(i)
	}
	if inverted {
		j.report.Inverted.add(i)
	}
	j.report.Channel, j.report.Omitted = most(j.single), most(j.omitted)
}

// most returns the number, from 1, of the largest count, 0 if all are 0.
func most(counts []int64) int {
	best := 0
	for c, n := range counts {
		if n > 0 && (best == 0 || n > counts[best-1]) {
			best = c + 1
		}
	}
	return best
}
