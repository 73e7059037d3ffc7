package speech

import "time"

// CommitByAge makes words be committed at an age at the latest: the time since the sound with their end came, where the machine is quick
// enough. Each word is committed by what was heard last, and never changes, so a shorter age costs words. docs/adr/0107-realtime.md has the
// measurements.
func (o *LiveOptions) CommitByAge(age time.Duration) {
	rule, rhythm := DefaultCommitRule(), DefaultRhythm()
	behind := min(max((age-hypothesisWithin)/2, leastBehind), rule.Behind)
	rule.Behind, rule.Overdue, rule.Doubtful = min(rule.Behind, age/2), min(rule.Overdue, age), min(rule.Doubtful, age)
	rule.Latest, rule.LatestBehind = max(age-tellsWithin, behind), behind
	rhythm.Step, rhythm.Within = min(rhythm.Step, max(age/3, rhythm.First)), age-behind-tellsWithin/2
	o.Commit, o.Rhythm = rule, rhythm
}

const (
	// tellsWithin is how much earlier than at its age a word is committed: sound comes in parts, and a delta takes its time.
	tellsWithin = 150 * time.Millisecond
	// hypothesisWithin is how much time a hypothesis takes, with the wait for it: half of what is left of an age is audio behind the word.
	hypothesisWithin = 400 * time.Millisecond
	// leastBehind is the least audio that a hypothesis must have heard behind a word that is committed.
	leastBehind = 150 * time.Millisecond
)

// hurries reports whether words are committed so soon that the decode of a closed piece comes after them.
func (r *CommitRule) hurries() bool { return r.LatestBehind > 0 && r.Latest <= 700*time.Millisecond }
