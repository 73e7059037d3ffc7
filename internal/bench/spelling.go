package bench

import "strings"

// spell gives words with several spellings a single one: it writes out contractions and titles, and unifies a few
// British and American spellings.
func spell(tokens []string) []string {
	out := make([]string, 0, len(tokens)+8)
	for i := 0; i < len(tokens); i++ {
		w := tokens[i]
		if w == "per" && i+1 < len(tokens) && tokens[i+1] == "cent" {
			out = append(out, "percent")
			i++
			continue
		}
		next := ""
		if i+1 < len(tokens) {
			next = tokens[i+1]
		}
		if long, ok := irregular(w); ok {
			out = append(out, long...)
			continue
		}
		out = append(out, contraction(w, next)...)
	}
	for i, w := range out {
		if !strings.HasPrefix(w, unitMark) {
			w = strings.ReplaceAll(w, "'", "")
		}
		if one, ok := spellings[w]; ok {
			w = one
		}
		out[i] = w
	}
	return out
}

// irregular writes out irregular contractions.
func irregular(w string) ([]string, bool) {
	switch w {
	case "can't", "cannot":
		return []string{"can", "not"}, true
	case "won't":
		return []string{"will", "not"}, true
	case "shan't":
		return []string{"shall", "not"}, true
	case "let's":
		return []string{"let", "us"}, true
	case "gonna":
		return []string{"going", "to"}, true
	case "wanna":
		return []string{"want", "to"}, true
	case "gotta":
		return []string{"got", "to"}, true
	}
	return nil, false
}

// contraction writes out a regular contraction. 's is "is" (or "has" before been and got) after pronouns, question
// words, there and here; elsewhere it is a genitive and stays with its word. 'd is "had" before been and better, else
// "would".
func contraction(w, next string) []string {
	at := strings.LastIndexByte(w, '\'')
	if at <= 0 {
		return []string{w}
	}
	stem, tail := w[:at], w[at+1:]
	switch tail {
	case "t":
		if strings.HasSuffix(stem, "n") && len(stem) > 2 {
			return append(contraction(stem[:len(stem)-1], ""), "not")
		}
	case "re":
		return append(contraction(stem, ""), "are")
	case "ve":
		return append(contraction(stem, ""), "have")
	case "ll":
		return append(contraction(stem, ""), "will")
	case "m":
		if stem == "i" {
			return []string{"i", "am"}
		}
	case "s":
		if takesIs[stem] {
			if next == "been" || next == "got" {
				return []string{stem, "has"}
			}
			return []string{stem, "is"}
		}
	case "d":
		if takesIs[stem] || takesWould[stem] {
			if next == "been" || next == "better" {
				return []string{stem, "had"}
			}
			return []string{stem, "would"}
		}
	}
	return []string{w}
}

var (
	takesIs = map[string]bool{
		"it": true, "he": true, "she": true, "that": true, "this": true, "what": true, "who": true, "where": true,
		"when": true, "why": true, "how": true, "there": true, "here": true,
	}
	takesWould = map[string]bool{"i": true, "you": true, "we": true, "they": true}

	// spellings hold titles and abbreviations, and the commonest words whose British and American spellings differ.
	// They apply only to whole words: a rule for endings would change words that merely look alike.
	spellings = map[string]string{
		"mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor", "vs": "versus", "ok": "okay",
		"jr": "junior", "sr": "senior", "etc": "etcetera",

		"colour": "color", "colours": "colors", "coloured": "colored", "favour": "favor", "favours": "favors",
		"favourite": "favorite", "favourites": "favorites", "flavour": "flavor", "flavours": "flavors",
		"harbour": "harbor", "honour": "honor", "honours": "honors", "humour": "humor", "labour": "labor",
		"neighbour": "neighbor", "neighbours": "neighbors", "behaviour": "behavior", "rumour": "rumor",
		"centre": "center", "centres": "centers", "metre": "meter", "metres": "meters", "litre": "liter",
		"litres": "liters", "theatre": "theater", "theatres": "theaters", "grey": "gray", "defence": "defense",
		"organise": "organize", "organised": "organized", "organisation": "organization",
		"organisations": "organizations", "realise": "realize", "realised": "realized",
		"recognise": "recognize", "recognised": "recognized", "travelled": "traveled", "travelling": "traveling",
		"traveller": "traveler", "programme": "program", "programmes": "programs", "cheque": "check",
	}
)
