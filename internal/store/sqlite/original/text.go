package original

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is one text of the original Scout.
type Text struct {
	// Row is where it is in the table, for Database.After.
	Row int64
	// ID is its number there, or what is in its place.
	ID   string
	Text string
	// Duration is the length of its audio; 0 where it is not known.
	Duration time.Duration
	// Created is what the database says of when it was saved, and At that as a time: zero where it cannot be read as one.
	Created string
	At      time.Time
	// Device is what it was recorded from, Model what made it, and Title the name of the file that it was made of; empty where that is not
	// known.
	Device, Model, Title string
	// AudioPath is where its audio was on the machine of the original Scout; empty for nowhere.
	AudioPath string
}

// row is a text as the database has it. SQLite keeps what it is given, whatever the type of a column: any value may be there.
type row struct {
	row                                                         int64
	id, text, duration, created, metadata, audio, device, model any
}

// plain is the text as it is used.
func (r *row) plain() Text {
	t := Text{Row: r.row, ID: textOf(r.id), Text: textOf(r.text), Created: textOf(r.created), AudioPath: textOf(r.audio), Model: line(textOf(r.model))}
	if ms := numberOf(r.duration); ms > 0 && ms <= MostDuration.Milliseconds() {
		t.Duration = time.Duration(ms) * time.Millisecond
	}
	t.At = timeOf(t.Created)
	if t.At.Year() < 1970 || t.At.Year() > 9999 { // what no clock has said
		t.At = time.Time{}
	}
	var about struct {
		Model    string `json:"model_used"`
		Filename string `json:"original_filename"`
	}
	_ = json.Unmarshal([]byte(textOf(r.metadata)), &about) // what cannot be read says nothing
	if t.Title = line(about.Filename); t.Model == "" {
		t.Model = line(about.Model)
	}
	var audio struct {
		Device struct {
			Name string `json:"name"`
		} `json:"device"`
	}
	_ = json.Unmarshal([]byte(textOf(r.device)), &audio) // as above
	t.Device = line(audio.Device.Name)
	return t
}

// textOf is a value as text in UTF-8, without the zero bytes that no text has.
func textOf(v any) string {
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		text = fmt.Sprint(v)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", "")
}

// mostLine bounds what becomes a title, a device or a model.
const mostLine = 200

// line is a text of one line of at most mostLine characters.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > mostLine {
		text = string(runes[:mostLine])
	}
	return text
}

func numberOf(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		if v > 0 && v < float64(MostDuration.Milliseconds()) {
			return int64(v)
		}
	case string:
		n, _ := strconv.ParseInt(v, 10, 64) // else it is not known
		return n
	}
	return 0
}

// layouts are the forms in which the original Scout has written a time: its database in UTC, its program as RFC 3339.
var layouts = []string{time.DateTime, time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"} //nolint:gochecknoglobals // a constant list

// earliestSeconds is the smallest number that is a time in seconds and not a mistake, 2000-01-01, and earliestMillis the same in
// milliseconds.
const (
	earliestSeconds = 946_684_800
	earliestMillis  = 1000 * earliestSeconds
)

// timeOf reads a time; zero where it is none.
func timeOf(text string) time.Time {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	switch n, err := strconv.ParseInt(text, 10, 64); {
	case err != nil || n < earliestSeconds:
		return time.Time{}
	case n < earliestMillis:
		return time.Unix(n, 0).UTC()
	default:
		return time.UnixMilli(n).UTC()
	}
}
