package bench

import (
	_ "embed"
	"slices"
	"strings"
)

//go:embed unsaid.txt
var unsaid string

// Unsaid returns 100 names of people, places and things, to measure the effect of hot words that nobody says.
func Unsaid() []string { return strings.Split(strings.TrimSpace(unsaid), "\n") }

// Phrases counts phrases in references, and how often they were not recognised at their place.
type Phrases struct {
	Said  int `json:"said"`
	Wrong int `json:"wrong"`
}

// CountPhrases looks for phrases in the references of a report. The last word of a phrase may be a genitive. A phrase
// is right if all its words were recognised at their place.
func (r *Report) CountPhrases(phrases []string) Phrases {
	var count Phrases
	normal := make([][]string, 0, len(phrases))
	for _, p := range phrases {
		if words := Words(p); len(words) > 0 {
			normal = append(normal, words)
		}
	}
	for _, f := range r.Files {
		reference := strings.Fields(f.Reference)
		heard := make([]bool, len(reference))
		for _, m := range matches(reference, strings.Fields(f.Text)) {
			heard[m.A] = true
		}
		for _, p := range normal {
			last := len(p) - 1
			for at := 0; at+last < len(reference); at++ {
				end := reference[at+last]
				if !slices.Equal(reference[at:at+last], p[:last]) || end != p[last] && end != p[last]+"s" {
					continue
				}
				count.Said++
				if slices.Contains(heard[at:at+last+1], false) {
					count.Wrong++
				}
			}
		}
	}
	return count
}
