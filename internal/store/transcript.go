package store

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Version describes one text of a transcript. Versions are numbered from 1 and never change.
type Version struct {
	Version int
	Kind    Kind
	Model   string
	// Language is an ISO 639-1 code; empty where it is unknown.
	Language  string
	Duration  time.Duration
	CreatedAt time.Time
	// Client is whoever asked for it; empty for the owner.
	Client string
	// Options are those that it was asked for with, as JSON; the store does not look into them.
	Options json.RawMessage
	Words   int
	// Base is the version that was changed; 0 where a model made this one.
	Base int
	// RestoredFrom is the version that this one repeats; 0 where it is not a restored one.
	RestoredFrom int
	// Current is true for the version that is shown and searched.
	Current bool
}

// Held is true where a person has chosen the text, so that a model's version does not replace it.
func (v *Version) Held() bool { return v.Kind == KindEdited || v.RestoredFrom != 0 }

// Summary is a transcript without its text.
type Summary struct {
	Key
	Version
	// Title, Tags, Labels, Source and StartedAt are those of the recording.
	Title     string
	Tags      []string
	Labels    map[string]string
	Source    Source
	StartedAt time.Time
	// Preview is the beginning of the text, at most previewRunes characters.
	Preview string
	// Whole is all of the text. It is set in listings of transcripts only, and not there with Page.NoText.
	Whole string
	// DeletedAt is when the transcript, or its recording, was moved to the trash; zero if it was not.
	DeletedAt time.Time
	// Snippets are set in answers to a query.
	Snippets []Snippet
}

// Transcript is one version of a transcript with its text.
type Transcript struct {
	Summary
	scout.Transcript
}

// InTrash is the error of what cannot be done with a text in the trash, where nobody would see what was done; nil if it is not there.
func (s *Summary) InTrash() error {
	if s.DeletedAt.IsZero() {
		return nil
	}
	return scout.Errorf(scout.CodeConflict, "transcript %s is in the trash", s.Key).WithHint("restore it first: scout transcripts restore %s", s.Key)
}

// Put is a version that a model made.
type Put struct {
	Key        Key
	Kind       Kind // not KindEdited
	Transcript scout.Transcript
	Client     string
	Options    json.RawMessage
	// Once, where it is not empty, names the work that made this version. The same name again changes nothing and returns
	// the version that it made first.
	Once string
}

// Validate returns an error with scout.CodeInvalidArgument where the version cannot be kept.
func (p *Put) Validate() error {
	if err := p.Key.Validate(); err != nil {
		return err
	}
	if !p.Kind.machine() {
		return scout.Errorf(scout.CodeInvalidArgument, "a model makes no version of kind %q", p.Kind)
	}
	if p.Options != nil && !json.Valid(p.Options) {
		return scout.Errorf(scout.CodeInvalidArgument, "the options of a version of %s are not JSON", p.Key)
	}
	for i := range p.Transcript.Segments {
		if err := segmentText(p.Transcript.Segments[i].Text); err != nil {
			return err
		}
	}
	return nil
}

// previewRunes is the length of previews in characters.
const previewRunes = 200

// Preview returns the beginning of a text.
func Preview(text string) string {
	n := 0
	for i := range text {
		if n == previewRunes {
			return strings.TrimSpace(text[:i])
		}
		n++
	}
	return text
}

// Edit is a new text for one segment.
type Edit struct {
	// Segment is the position of the segment in the version that is changed, from 0.
	Segment int
	// Text replaces its text. An empty one removes the segment.
	Text string
}

// EditRequest changes segments of the current version. All its edits become one new version.
type EditRequest struct {
	Key   Key
	Edits []Edit
	// IfVersion, where it is not 0, is the version that the edits are meant for. Another current one gives
	// scout.CodePreconditionFailed.
	IfVersion int
	Client    string
}

// maxSegmentBytes bounds the text of a segment.
const maxSegmentBytes = 1 << 20

func segmentText(text string) error { return printableText("text of a segment", text, maxSegmentBytes) }

// Apply returns the segments that the edits change, by their position; unchanged ones are left out. Positions outside of the
// segments and two edits of one segment give scout.CodeInvalidArgument.
func (r *EditRequest) Apply(segments []scout.Segment) (map[int]scout.Segment, error) {
	changed := make(map[int]scout.Segment)
	seen := make([]int, 0, len(r.Edits))
	for _, edit := range r.Edits {
		if edit.Segment < 0 || edit.Segment >= len(segments) {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "segment %d of %s: it has %d, counted from 0", edit.Segment, r.Key, len(segments))
		}
		if slices.Contains(seen, edit.Segment) {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "segment %d of %s is changed twice", edit.Segment, r.Key)
		}
		if err := segmentText(edit.Text); err != nil {
			return nil, err
		}
		seen = append(seen, edit.Segment)
		old := segments[edit.Segment]
		text := strings.Join(strings.Fields(edit.Text), " ")
		if text == old.Text {
			continue
		}
		next := old
		next.Text, next.AvgLogProb, next.Words = text, nil, nil
		if len(old.Words) > 0 {
			next.Words = keepWords(old.Words, text)
		}
		changed[edit.Segment] = next
	}
	return changed, nil
}

// keepWords returns the words of the new text. Those that the old text has in the same order keep times and probability.
func keepWords(old []scout.Word, text string) []scout.Word {
	texts := splitWords(old, text)
	words := make([]scout.Word, len(texts))
	for i, t := range texts {
		words[i] = scout.Word{Text: t}
	}
	for _, pair := range commonWords(old, texts) {
		words[pair[1]] = old[pair[0]]
	}
	return words
}

// splitWords parts a text into words: at spaces and, in scripts that are written without them, where the old words are.
func splitWords(old []scout.Word, text string) []string {
	known := make(map[string]bool, len(old))
	longest := 0
	for i := range old {
		known[old[i].Text] = true
		longest = max(longest, len(old[i].Text))
	}
	var words []string
	for _, field := range strings.Fields(text) {
		if known[field] || !strings.ContainsFunc(field, scout.Spaceless) {
			words = append(words, field)
			continue
		}
		rest := "" // what no old word matches
		flush := func() {
			if rest != "" {
				words = append(words, rest)
				rest = ""
			}
		}
		for field != "" {
			n := min(longest, len(field))
			for n > 0 && !known[field[:n]] {
				n--
			}
			if n > 0 {
				flush()
				words = append(words, field[:n])
				field = field[n:]
				continue
			}
			_, size := utf8.DecodeRuneInString(field)
			rest += field[:size]
			field = field[size:]
		}
		flush()
	}
	return words
}

// maxCompared bounds the table of commonWords: beyond that many cells only the common beginning and end are kept.
const maxCompared = 4 << 20

// commonWords returns pairs of positions in old and texts of a longest common subsequence.
func commonWords(old []scout.Word, texts []string) [][2]int {
	var pairs [][2]int
	head := 0
	for head < len(old) && head < len(texts) && old[head].Text == texts[head] {
		pairs = append(pairs, [2]int{head, head})
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(texts)-head && old[len(old)-1-tail].Text == texts[len(texts)-1-tail] {
		tail++
		pairs = append(pairs, [2]int{len(old) - tail, len(texts) - tail})
	}
	rows, columns := len(old)-head-tail, len(texts)-head-tail
	if rows == 0 || columns == 0 || rows*columns > maxCompared {
		return pairs
	}
	lengths := make([]int32, (rows+1)*(columns+1)) // of the longest common subsequence of what follows
	at := func(i, j int) int { return i*(columns+1) + j }
	for i := rows - 1; i >= 0; i-- {
		for j := columns - 1; j >= 0; j-- {
			if old[head+i].Text == texts[head+j] {
				lengths[at(i, j)] = lengths[at(i+1, j+1)] + 1
			} else {
				lengths[at(i, j)] = max(lengths[at(i+1, j)], lengths[at(i, j+1)])
			}
		}
	}
	for i, j := 0, 0; i < rows && j < columns; {
		switch {
		case old[head+i].Text == texts[head+j]:
			pairs = append(pairs, [2]int{head + i, head + j})
			i, j = i+1, j+1
		case lengths[at(i+1, j)] >= lengths[at(i, j+1)]:
			i++
		default:
			j++
		}
	}
	return pairs
}
