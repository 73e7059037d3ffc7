package recognize

// Votes reports whether words of a fast model may win against those of an accurate one: both give scores, and the rule of package
// vote was measured with the two. A larger Whisper makes fewer errors, of which the rule knows nothing (docs/adr/0112-word-vote.md).
func Votes(accurate, fast *Recognizer) bool {
	return accurate.Backend == BackendWhisper && accurate.Model.ID == usuallyAccurate &&
		fast.Backend == BackendMoonshine && fast.Model.ID == usuallyFast
}

// usuallyFast is the fast model where none was chosen.
const usuallyFast = "moonshine-tiny-en"
