package file

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/scout-speech/scout"
)

// Track is one of several audio tracks of a container, for example a language of a film or a person of a call. Pictures
// and data are not tracks.
type Track struct {
	// Number is counted from 1, in the order of the container.
	Number int
	// Language is the shortest ISO 639 code, empty if it is not known.
	Language string
	// Title is the container's name for it, empty if it has none.
	Title string
	// Default is set if the container marks it as the one that players begin with.
	Default bool
	// Secondary is set for tracks that accompany another one: commentary, description, karaoke.
	Secondary bool
	// Silent is set if the track was searched and no sound was found.
	Silent bool

	codec    string
	index    int           // of the stream, as ffmpeg counts
	blind    bool          // index is not known
	duration time.Duration // 0 unknown
}

// TrackChoice says which track is read. The zero value takes the default one, or the first with sound: see chooseTrack.
type TrackChoice struct {
	// Number of the track, from 1; 0 for any.
	Number int
	// Language as an ISO 639 code; empty for any.
	Language string
}

// String returns the choice as a user writes it.
func (c TrackChoice) String() string {
	if c.Number > 0 {
		return strconv.Itoa(c.Number)
	}
	return c.Language
}

func (c TrackChoice) given() bool { return c != TrackChoice{} }

// languageCode returns the shortest ISO 639 code of a language in any of its forms (deu, ger, de, de-AT); empty if
// there is none.
func languageCode(text string) string {
	tag, err := language.All.Parse(strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	base, confidence := tag.Base()
	switch code := base.String(); code {
	case "und", "mul", "zxx", "mis":
		return ""
	default:
		if confidence < language.High {
			return "" // a guess
		}
		return code
	}
}

// name describes a track for people: its number with language and title.
func (t *Track) name() string {
	var about []string
	if t.Language != "" {
		about = append(about, t.Language)
	}
	if t.Title != "" {
		about = append(about, strconv.Quote(t.Title))
	}
	if t.Silent {
		about = append(about, "silent")
	}
	text := "track " + strconv.Itoa(t.Number)
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	return text
}

// maxNamed is how many tracks a line names.
const maxNamed = 8

// list names tracks.
func list(tracks []Track) string {
	var names []string
	for i := range tracks[:min(len(tracks), maxNamed)] {
		names = append(names, tracks[i].name())
	}
	if len(tracks) > maxNamed {
		names = append(names, fmt.Sprintf("and %d more", len(tracks)-maxNamed))
	}
	return strings.Join(names, ", ")
}

// find returns the requested track: of several in one language, the one that comes first in order. The error has the
// code invalid_argument and lists the tracks.
func (c TrackChoice) find(tracks []Track) (int, error) {
	if c.Number > 0 {
		if c.Number <= len(tracks) {
			return c.Number - 1, nil
		}
		return 0, c.missing(tracks)
	}
	code := languageCode(c.Language)
	for _, i := range order(tracks) {
		if code != "" && tracks[i].Language == code {
			return i, nil
		}
	}
	return 0, c.missing(tracks)
}

func (c TrackChoice) missing(tracks []Track) error {
	what := "no audio track " + strconv.Itoa(c.Number)
	if c.Number <= 0 {
		what = "no audio track in the language " + c.Language
	}
	if len(tracks) == 1 {
		there := "it has one"
		if tracks[0].Language != "" {
			there += ", in the language " + tracks[0].Language
		}
		return scout.Errorf(scout.CodeInvalidArgument, "there is %s: %s", what, there).WithHint("leave --track out")
	}
	return scout.Errorf(scout.CodeInvalidArgument, "there is %s: it has %d: %s", what, len(tracks), list(tracks)).
		WithHint("choose one with --track N or --track LANGUAGE")
}

// order returns the tracks in the order in which they are tried: those that players begin with, then the others, then
// those that accompany another track.
func order(tracks []Track) []int {
	rank := func(t *Track) int {
		switch {
		case t.Secondary && t.Default:
			return 2
		case t.Secondary:
			return 3
		case t.Default:
			return 0
		}
		return 1
	}
	all := make([]int, len(tracks))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int { return rank(&tracks[a]) - rank(&tracks[b]) })
	return all
}

// secondary reports by a title what a container does not flag.
func secondary(title string) bool {
	title = strings.ToLower(title)
	for _, word := range []string{"commentary", "kommentar", "commentaire", "comentario", "audio description", "audiodescription", "audiodeskription", "descriptive", "karaoke"} {
		if strings.Contains(title, word) {
			return true
		}
	}
	return false
}

// choiceWarning reports that there was a choice. chosen is an index.
func choiceWarning(tracks []Track, chosen int) scout.Warning {
	var others []Track
	for i := range tracks {
		if i != chosen {
			others = append(others, tracks[i])
		}
	}
	flag := "--track N"
	if len(others) == 1 {
		flag = "--track " + strconv.Itoa(others[0].Number)
	}
	return scout.Warnf(scout.WarningTracks, "it has %d audio tracks, %s was read; for %s use %s",
		len(tracks), tracks[chosen].name(), list(others), flag)
}

// onlyTrack refuses a choice for a recording that has one track, in an unknown language.
func (c TrackChoice) onlyTrack() error {
	if !c.given() || c.Number == 1 {
		return nil
	}
	return c.missing([]Track{{Number: 1}})
}
