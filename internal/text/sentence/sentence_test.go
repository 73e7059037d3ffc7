package sentence_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/text/sentence"
)

// A bar marks the end of each sentence.
func TestSentencesEnd(t *testing.T) {
	t.Parallel()
	for name, marked := range map[string]string{
		"full stop, question, exclamation": "We met.| Where was it?| There!|",
		"several marks":                    "What?!| No...| Really?!?|",
		"no mark at the end":               "We met.| And then",
		"titles":                           "Mr. Quilter is the apostle of Mrs. Bird, Ms. Low, Dr. No and Prof. Moriarty.| Good.|",
		"a title in front of a starter":    "I met Mr. Will and Dr. May.|",
		"a saint and a street":             "St. Louis is far from Main St.| The road is long.|",
		"initials":                         "J. F. Kennedy met J.R.R. Tolkien.| They talked.|",
		"a letter as the last word":        "We take plan B.| It was I.| Then it was we.|",
		"a country":                        "The U.S. Army left the U.S.| It came back to the U.K.|",
		"degrees":                          "She has a Ph.D. from Bonn.| He has a Ph.D.| We have none.|",
		"times of the day":                 "At 3 p.m. on Monday or 4 a.m. Eastern we met at 5 p.m.| The rest came later.|",
		"latin":                            "Cats vs. Dogs, e.g. Rex, i.e. My dog, cf. The book, et al. And so on.|",
		"and so on":                        "Apples, pears, etc. are fruit.| We ate apples, pears, etc.| Then we left.|",
		"companies":                        "Smith Inc. bought Jones Ltd. and Ford Motor Co. Chairman Lee agreed with Miller Co.| The price was low.|",
		"father and son":                   "Martin Luther King Jr. Day is for King Sr. and King Jr.| He spoke.|",
		"numbers of things":                "No. 5 is alive, see vol. 2, fig. 3 and p. 12.| No.| Five came.|",
		"months":                           "On Jan. 5 and Sept. 12 it rained until Dec.| Then it snowed.|",
		"decimals":                         "It costs 3.50 or 1.000,5.| Then 3.| We paid 42.| They left.|",
		"years":                            "It was 1999.| In 2020. it", // a stop before a lower-case letter
		"counted":                          "1. Open the door.| 2. Close it.|",
		"german ordinals":                  "Am 3. Oktober war es.| Der 1. Mai ist z.B. ein Tag, bzw. Ein Feiertag.|",
		"files and addresses":              "Open main.go at example.com.| Then see notes.txt.| Done.|",
		"ellipsis that goes on":            "Well… maybe…| Not.| So... we left...| They stayed.|",
		"quotation behind the end":         "He said “stop.”| She said \"go!\"| They (both.)| ‘Fine.’| Good.|",
		"question inside of a sentence":    "“What?” he asked.| “What?”| He asked.|",
		"french":                           "« Bonjour. »| Il dit « oui ! » puis non.| Quoi ?| Rien ! ?| M. Dupont et Mme. Petit.|",
		"german quotation":                 "Er sagte: „Halt.“| »Nein.«| Gut.|",
		"spanish":                          "¿Qué?| ¡No!| El Sr. García llegó.|",
		"chinese, joined":                  "你好。| 再见！| 什么？| 好……|",
		"chinese, closed":                  "「你好。」| 『再见！』| （什么？）|",
		"half-width and full-width marks":  "はい｡| Ｏｋ．| Ok！| Ok？|",
		"hindi":                            "यह है।| वह ।| अंत॥|",
		"urdu and arabic":                  "یہ ہے۔| کیا؟| نعم!|",
		"amharic":                          "ሰላም።| ደህና፧|",
		"armenian and greek":               "Բարև։| Τι;| Ναι.| Ένα;| δύο;|",
		"burmese, khmer, tibetan":          "ဟုတ်။| បាទ។| ལགས།|",
		"a semicolon elsewhere":            "One; two.|",
		"a bare stop":                      "One .| Two ?|",
		"names with a small letter":        "I bought it.| iPhones sell.|",
		"the last word is a title":         "I met Mr.",
		"the last word is a country":       "I like the U.S.|",
		"nothing":                          "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(strings.ReplaceAll(marked, "|", ""))
			var got []string
			for i, w := range words {
				if sentence.Ends(words, i) {
					w += "|"
				}
				got = append(got, w)
			}
			if want := strings.Fields(marked); !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
			}
		})
	}
}

func TestBeyondTheWordsNothingEnds(t *testing.T) {
	t.Parallel()
	for _, i := range []int{-1, 1, 2} {
		if sentence.Ends([]string{"End."}, i) {
			t.Errorf("a sentence ends after word %d of one", i)
		}
	}
}

func FuzzEnds(f *testing.F) {
	f.Add("Mr. Quilter » . 。\u037e")
	f.Add("\xff. \xfe.. ….")
	f.Fuzz(func(_ *testing.T, s string) {
		words := strings.Split(s, " ")
		for i := range words {
			sentence.Ends(words, i)
		}
	})
}
