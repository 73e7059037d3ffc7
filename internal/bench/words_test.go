package bench_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
)

// TestWordsAlike checks that ways of writing the same speech become the same words.
func TestWordsAlike(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want string
		text []string
	}{
		{"", []string{"", " ", "...", "-", "'", "“”"}},
		{"hello world", []string{"Hello, world!", "HELLO WORLD", "«hello»—world…", "hello-world", "'hello' world"}},
		{"naïve café", []string{"Naïve café."}},
		{"the us at 5 pm", []string{"the U.S. at 5 p.m.", "the US at five PM"}},
		{"rock and roll", []string{"rock & roll"}},

		{"it is what it is", []string{"It's what it's.", "it is what it is", "it’s what it is"}},
		{"it has been here", []string{"it's been here", "It has been here"}},
		{"i am sure you are", []string{"I'm sure you're", "i am sure you are"}},
		{"they will not", []string{"they won't", "they'll not"}},
		{"i can not", []string{"I can't", "I cannot", "i can not"}},
		{"i would not have gone", []string{"I wouldn't've gone", "I'd not have gone"}},
		{"he had better go", []string{"he'd better go"}},
		{"let us go", []string{"let's go"}},
		{"beautys rose in the womens room", []string{"beauty's rose in the women's room", "Beauty’s rose in the women’s room"}},
		{"oclock yall", []string{"o'clock y'all"}},
		{"mister smith and doctor jones", []string{"Mr. Smith and Dr. Jones", "mister smith and doctor jones"}},
		{"okay the gray color", []string{"OK, the grey colour", "okay the gray color"}},

		{"12", []string{"12", "twelve", "Twelve."}},
		{"21", []string{"21", "twenty-one", "twenty one"}},
		{"1600", []string{"1,600", "1600", "sixteen hundred", "one thousand six hundred", "one thousand, six hundred"}},
		{"105", []string{"105", "one hundred five", "one hundred and five", "a hundred and five"}},
		{"1000000", []string{"1,000,000", "a million", "one million", "1 million"}},
		{"2500000", []string{"2.5 million", "two point five million", "2,500,000", "two million five hundred thousand"}},
		{"999999", []string{"nine hundred ninety nine thousand nine hundred and ninety nine", "999,999"}},
		{"2005", []string{"two thousand and five", "two thousand five"}},
		{"100 and 200", []string{"one hundred and two hundred", "100 and 200"}},
		{"1000 2000", []string{"one thousand two thousand", "1,000, 2,000"}},
		{"1 2 3", []string{"one two three", "1, 2, 3", "1 2 3"}},
		{"10 11 12", []string{"ten eleven twelve", "10, 11, 12"}},
		{"3.14", []string{"3.14", "three point one four"}},
		{"0.5", []string{"0.5", "zero point five", "0.50"}},
		{"the point 5 of us", []string{"the point five of us"}},
		{"1984", []string{"1984", "nineteen eighty-four", "nineteen hundred eighty four"}},
		{"1905", []string{"1905", "nineteen oh five"}},
		{"2012", []string{"2012", "twenty twelve", "two thousand twelve"}},
		{"the 1980s", []string{"the 1980s", "the 1980's", "the nineteen eighties"}},
		{"13 14 15", []string{"thirteen, fourteen, fifteen", "13 14 15"}},
		{"1st", []string{"1st", "first", "First."}},
		{"the 21st of may", []string{"the 21st of May", "the twenty-first of May"}},
		{"20th century", []string{"20th century", "twentieth century"}},
		{"112th", []string{"one hundred and twelfth", "112th"}},
		{"2000th", []string{"two thousandth", "2000th"}},
		{"5 percent", []string{"5%", "5 %", "five per cent", "five percent"}},
		{"5 dollars", []string{"$5", "five dollars", "5 dollars"}},
		{"1 dollar", []string{"$1", "one dollar"}},
		{"5000000 dollars", []string{"$5 million", "five million dollars", "$5,000,000"}},
		{"1000000 dollars", []string{"$1 million", "a million dollars"}},
		{"3 euros and 4 pounds", []string{"€3 and £4", "three euros and four pounds"}},
		{"5 km", []string{"5km", "5 km", "five km"}},
		{"n8n and mp3", []string{"N8N and MP3"}},
		{"hundreds of thousands", []string{"hundreds of thousands"}},
		{"no 1 knows", []string{"no one knows"}},
		{"20 pounds and 10", []string{"twenty pounds and ten"}},
		{"500000", []string{"5 hundred thousand", "five hundred thousand"}},
		{"1.2 3", []string{"1.2.3"}},
		{"12 34", []string{"12,34"}},
		{"twentyfirst", []string{"twentyfirst"}},
	}
	for _, tt := range tests {
		for _, text := range tt.text {
			if got := strings.Join(bench.Words(text), " "); got != tt.want {
				t.Errorf("%q becomes %q, want %q", text, got, tt.want)
			}
		}
	}
}

// FuzzWords checks that any text becomes words without space, and that case and full stops at the end
// never matter.
func FuzzWords(f *testing.F) {
	f.Add("It's $1,600.50 - twenty-first of nineteen eighty four!")
	f.Add("one hundred and and point five hundredth a a million oh")
	f.Add("\xff\x00'''s 9'9.. 1,111,11")
	f.Fuzz(func(t *testing.T, text string) {
		words := bench.Words(text)
		for _, w := range words {
			if w == "" || len(strings.Fields(w)) != 1 || strings.ContainsAny(w, "'\x00\t") {
				t.Fatalf("%q gives the word %q", text, w)
			}
		}
		if got := bench.Words(text + "\n"); strings.Join(got, " ") != strings.Join(words, " ") {
			t.Fatalf("a line feed makes %q of %q", got, words)
		}
	})
}

// TestDevelopmentSet counts the words of the clips that the project is tuned on, so that a change of the
// normalisation shows. Split at white space and hyphens they are 965 and 1,817: contractions are written out.
func TestDevelopmentSet(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "speech", "dev")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no development clips in %s", dir)
	}
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	short, long := 0, 0
	for _, e := range entries {
		n := len(bench.Words(e.Reference))
		if strings.HasPrefix(e.File, "long_") || strings.HasPrefix(e.File, "voicenote_") || strings.HasPrefix(e.File, "two_cities") ||
			strings.HasPrefix(e.File, "yeats_") || strings.HasPrefix(e.File, "sonnet1_") || strings.HasPrefix(e.File, "fairytale_") {
			long += n
		} else {
			short += n
		}
	}
	if len(entries) != 50 || short != 973 || long != 1847 {
		t.Errorf("%d clips, %d words in short ones, %d in long ones", len(entries), short, long)
	}
}
