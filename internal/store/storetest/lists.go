package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func versionLine(v store.Version) string {
	line := fmt.Sprint(v.Kind, " ", v.Version)
	if v.Current {
		line += " *"
	}
	return line
}

func equal(b *bench, what string, got, want any) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		b.Errorf("%s: %s\nwant %s", what, g, w)
	}
}

// listed compares the transcripts that pass a filter, newest first, by the numbers of their recordings.
func (b *bench) listed(filter store.Filter, want ...int) {
	b.Helper()
	page, err := b.Transcripts(b.Context(), filter, store.Page{})
	if err != nil {
		b.Errorf("%+v: %v", filter, err)
		return
	}
	var got []string
	for _, s := range page.Data {
		got = append(got, s.Recording)
	}
	var ids []string
	for _, n := range want {
		ids = append(ids, ID(n))
	}
	if !slices.Equal(got, ids) {
		b.Errorf("%+v: %q, want %q", filter, got, ids)
	}
}

// pages reads a listing of transcripts to its end. between is called after each page.
func (b *bench) pages(filter store.Filter, page store.Page, between func()) []string {
	b.Helper()
	var ids []string
	for {
		listing, err := b.Transcripts(b.Context(), filter, page)
		if err != nil {
			b.Fatalf("page after %q: %v", page.Cursor, err)
		}
		for _, s := range listing.Data {
			ids = append(ids, s.Recording)
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			return ids
		}
		between()
	}
}

func ids(numbers ...int) []string {
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = ID(n)
	}
	return list
}

func lists() map[string]func(*bench) {
	return map[string]func(*bench){
		"pages follow each other": func(b *bench) {
			for n := range 7 {
				b.put(n, "text")
			}
			nothing := func() {}
			equal(b, "newest first", b.pages(store.Filter{}, store.Page{Limit: 3}, nothing), ids(6, 5, 4, 3, 2, 1, 0))
			equal(b, "oldest first", b.pages(store.Filter{}, store.Page{Limit: 2, Order: store.Ascending}, nothing), ids(0, 1, 2, 3, 4, 5, 6))
			equal(b, "exactly full", b.pages(store.Filter{}, store.Page{Limit: 7}, nothing), ids(6, 5, 4, 3, 2, 1, 0))
			equal(b, "by relevance", b.pages(store.Filter{Query: "text"}, store.Page{Limit: 2, Sort: store.ByRelevance}, nothing), ids(6, 5, 4, 3, 2, 1, 0))
		},
		"pages survive what is added and deleted between them": func(b *bench) {
			for n := range 6 {
				b.put(10*n+10, "text")
			}
			n := 100
			for _, page := range []store.Page{{Limit: 2}, {Limit: 2, Sort: store.ByRelevance}} {
				filter := store.Filter{Query: "text", To: epoch().Add(61 * time.Second)}
				got := b.pages(filter, page, func() { n++; b.put(n, "text text"); b.put(200-n, "other") })
				equal(b, fmt.Sprint("added", page), got, ids(60, 50, 40, 30, 20, 10))
			}
			deleted := 40
			got := b.pages(store.Filter{Query: "text", To: epoch().Add(61 * time.Second)}, store.Page{Limit: 2}, func() {
				b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(deleted)); return err })
				deleted -= 10
			})
			equal(b, "deleted", got, ids(60, 50, 30, 20, 10))
		},
		"a part of an id": func(b *bench) {
			for n := range 3 {
				b.put(n, "text")
			}
			left := store.Key{Recording: ID(1), Track: "left", Task: store.TaskTranscribe}
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: left, Kind: store.KindFirst, Transcript: Text("left")})
				return err
			})
			whole := ID(1)
			b.listed(store.Filter{ID: whole}, 1)
			b.listed(store.Filter{ID: whole[len(whole)-4:]}, 1)
			b.listed(store.Filter{ID: whole[len(whole)-4:] + ".left.transcribe"}, 1)
			b.listed(store.Filter{ID: whole[:8]}, 2, 1, 0)
			b.listed(store.Filter{ID: whole[:8], Query: "nothing"})
			b.listed(store.Filter{ID: whole[1:8]})
			for _, none := range []string{"%", "_", whole + "x", ".", "..", "a.b", ID(0) + ".left.transcribe"} {
				b.listed(store.Filter{ID: none})
			}
			b.update(func(tx store.Tx) error { _, err := tx.Delete(whole); return err })
			b.listed(store.Filter{ID: whole})
			b.listed(store.Filter{ID: whole, Deleted: true}, 1)
		},
		"recordings of the same millisecond are each listed once": func(b *bench) {
			var want []string
			for n := range 9 {
				r := Recording(n)
				r.StartedAt = epoch()
				b.add(r, "text")
				want = append(want, r.ID)
			}
			got := b.pages(store.Filter{}, store.Page{Limit: 2}, func() {})
			slices.Sort(got)
			equal(b, "all", got, want)
		},
		"without texts": func(b *bench) {
			for n := range 3 {
				b.put(n, "some text")
			}
			whole, err := b.Transcripts(b.Context(), store.Filter{Query: "text"}, store.Page{Limit: 2})
			if err != nil {
				b.Fatal(err)
			}
			for _, page := range []store.Page{{NoText: true, Limit: 2}, {NoText: true, Limit: 1, Cursor: whole.Next}} { // a cursor is good for both
				bare, err := b.Transcripts(b.Context(), store.Filter{Query: "text"}, page)
				if err != nil {
					b.Fatal(err)
				}
				if len(bare.Data) != page.Limit || page.Cursor == "" && bare.Next != whole.Next {
					b.Errorf("%d texts, next %q", len(bare.Data), bare.Next)
				}
				for _, s := range bare.Data {
					if s.Whole != "" || s.Preview != "some text" || s.Words != 2 || len(s.Snippets) != 1 {
						b.Errorf("%+v", s)
					}
				}
			}
			for _, s := range whole.Data {
				equal(b, "whole", s.Whole, "some text")
			}
		},
		"cursors are for the listing that they come from": func(b *bench) {
			for n := range 3 {
				b.put(n, "text")
			}
			first, err := b.Transcripts(b.Context(), store.Filter{}, store.Page{Limit: 1})
			if err != nil {
				b.Fatal(err)
			}
			for name, asked := range map[string]struct {
				filter store.Filter
				page   store.Page
			}{
				"another filter": {store.Filter{Query: "text"}, store.Page{Cursor: first.Next}},
				"another order":  {store.Filter{}, store.Page{Cursor: first.Next, Order: store.Ascending}},
				"not a cursor":   {store.Filter{}, store.Page{Cursor: "bm9uc2Vuc2U"}},
				"damaged":        {store.Filter{}, store.Page{Cursor: "!" + first.Next}},
				"limit":          {store.Filter{}, store.Page{Limit: 201}},
				"negative limit": {store.Filter{}, store.Page{Limit: -1}},
				"order":          {store.Filter{}, store.Page{Order: "sideways"}},
				"sort":           {store.Filter{}, store.Page{Sort: "colour"}},
				"relevance":      {store.Filter{}, store.Page{Sort: store.ByRelevance}},
			} {
				if _, err := b.Transcripts(b.Context(), asked.filter, asked.page); scout.CodeOf(err) != scout.CodeInvalidArgument {
					b.Errorf("%s: %v", name, err)
				}
			}
			if _, err := b.Recordings(b.Context(), store.Filter{}, store.Page{Cursor: first.Next}); scout.CodeOf(err) != scout.CodeInvalidArgument {
				b.Errorf("a listing of recordings: %v", err)
			}
		},
		"filters": func(b *bench) {
			r := Recording(1)
			r.Title, r.Tags, r.Labels, r.Source = "Board meeting", []string{"work", "b:c d"}, map[string]string{"room": "12", "a": "x:y"}, store.SourceUpload
			r.Client, r.Device, r.Duration, r.State = "key_1", "USB", time.Minute, "recovered"
			b.add(r, "quarterly numbers")
			b.put(2, "numbers and more")
			for _, test := range []struct {
				filter store.Filter
				want   []int
			}{
				{store.Filter{}, []int{2, 1}},
				{store.Filter{From: epoch().Add(2 * time.Second)}, []int{2}},
				{store.Filter{To: epoch().Add(2 * time.Second)}, []int{1}},
				{store.Filter{From: epoch().Add(1 * time.Second), To: epoch().Add(1*time.Second + 1)}, []int{1}},
				{store.Filter{Source: store.SourceUpload}, []int{1}},
				{store.Filter{Tags: []string{"work"}}, []int{1}},
				{store.Filter{Tags: []string{"b:c d", "work"}}, []int{1}},
				{store.Filter{Tags: []string{"work", "home"}}, nil},
				{store.Filter{Tags: []string{"wor"}}, nil},
				{store.Filter{Labels: map[string]string{"room": "12", "a": "x:y"}}, []int{1}},
				{store.Filter{Labels: map[string]string{"room": "1"}}, nil},
				{store.Filter{Language: "en"}, []int{2, 1}},
				{store.Filter{Language: "de"}, nil},
				{store.Filter{Model: "moonshine-tiny-en", Client: "key_1"}, []int{1}},
				{store.Filter{Device: "USB"}, []int{1}},
				{store.Filter{State: "recovered"}, []int{1}},
				{store.Filter{MinDuration: time.Minute}, []int{1}},
				{store.Filter{MaxDuration: 10 * time.Second}, []int{2}},
				{store.Filter{Query: "numbers", Tags: []string{"work"}}, []int{1}},
				{store.Filter{Query: "numbers -quarterly"}, []int{2}},
				{store.Filter{Deleted: true}, nil},
			} {
				b.listed(test.filter, test.want...)
				page, err := b.Recordings(b.Context(), test.filter, store.Page{})
				if err != nil || len(page.Data) != len(test.want) {
					b.Errorf("recordings of %+v: %d, %v", test.filter, len(page.Data), err)
				}
			}
		},
		"recordings without text are listed as recordings only": func(b *bench) {
			b.put(1)
			b.listed(store.Filter{})
			page, err := b.Recordings(b.Context(), store.Filter{}, store.Page{})
			if err != nil || len(page.Data) != 1 || page.Data[0].Transcript != nil {
				b.Errorf("%+v, %v", page, err)
			}
		},
	}
}

func searches() map[string]func(*bench) {
	return map[string]func(*bench){
		"what a query finds": func(b *bench) {
			b.put(1, "The café opens at nine.", "Nobody came.")
			b.put(2, "Opening hours: ten to five")
			b.put(3, "今日は東京に行きます")
			b.put(4, "don't stop 3.14 e-mail")
			b.add(func() store.Recording {
				r := Recording(5)
				r.Title, r.Tags = "Zoo visit", []string{"elephant"}
				return r
			}(), "we saw animals")
			for query, want := range map[string][]int{
				"cafe": {1}, "CAFÉ": {1}, "cafe\u0301": {1}, "open": nil, "open*": {2, 1}, "nine opens": {1}, `"opens at nine"`: {1}, `"nine at opens"`: nil,
				`"at ni"*`: {1}, "opens -nobody": nil, "-nobody": {5, 4, 3, 2}, `-"came nobody" nine`: {1}, "東京": {3}, "京": {3}, "京東": nil, "東京に行き": {3},
				"zoo": {5}, "elephant": {5}, "zoo animals": {5}, "don't": {4}, "3.14": {4}, "e-mail": {4}, "nine nobody": {1}, "ten -hours": nil,
				`"unbalanced nine`: nil, `"opens`: {1}, "AND": nil, "nine AND opens": nil, "nine OR ten": nil, "(nine)": {1}, "title:zoo": nil,
				"*": nil, `"`: nil, `""`: nil, "-": nil, "!!!": nil, "zlive": nil, "^nine": {1}, "nine NEAR(opens)": nil, "\x00nine": {1}, "\xff": nil, "": {5, 4, 3, 2, 1}, "  ": {5, 4, 3, 2, 1},
			} {
				b.listed(store.Filter{Query: query}, want...)
			}
		},
		"only the current version is searched": func(b *bench) {
			key := b.put(1, "alpha beta")
			b.edit(key, store.Edit{Segment: 0, Text: "alpha gamma"})
			b.listed(store.Filter{Query: "beta"})
			b.listed(store.Filter{Query: "gamma"}, 1)
			b.restoreVersion(key, 1)
			b.listed(store.Filter{Query: "gamma"})
			b.listed(store.Filter{Query: "beta"}, 1)
		},
		"titles and tags are searched as they change": func(b *bench) {
			b.put(1, "text")
			b.update(func(tx store.Tx) error {
				_, err := tx.Describe(ID(1), store.Description{Title: pointer("Trip"), Tags: &[]string{"sea"}})
				return err
			})
			b.listed(store.Filter{Query: "trip sea"}, 1)
			b.update(func(tx store.Tx) error {
				_, err := tx.Describe(ID(1), store.Description{Title: pointer(""), Tags: &[]string{}})
				return err
			})
			b.listed(store.Filter{Query: "trip"})
		},
		"snippets show where": func(b *bench) {
			long := strings.Repeat("filler words ", 40) + "the Café here " + strings.Repeat("more words ", 40)
			b.put(1, "nothing", long, "a cafe again", "東京に行き")
			page, err := b.Transcripts(b.Context(), store.Filter{Query: `cafe 東京`}, store.Page{})
			if err != nil || len(page.Data) != 1 || len(page.Data[0].Snippets) != 3 {
				b.Fatalf("%+v, %v", page, err)
			}
			for i, want := range []struct {
				mark  string
				start time.Duration
			}{{"Café", time.Second}, {"cafe", 2 * time.Second}, {"東京", 3 * time.Second}} {
				s := page.Data[0].Snippets[i]
				runes := []rune(s.Text)
				if len(s.Marks) != 1 || string(runes[s.Marks[0][0]:s.Marks[0][1]]) != want.mark || s.Start == nil || *s.Start != want.start || len(runes) > 200 {
					b.Errorf("snippet %+v, want %+v", s, want)
				}
			}
		},
		"a snippet of a title has no time": func(b *bench) {
			r := Recording(1)
			r.Title = "Zoo"
			b.add(r, "text")
			page, err := b.Transcripts(b.Context(), store.Filter{Query: "zoo"}, store.Page{})
			if err != nil || len(page.Data) != 1 {
				b.Fatalf("%+v, %v", page, err)
			}
			equal(b, "snippets", page.Data[0].Snippets, []store.Snippet{{Text: "Zoo", Marks: [][2]int{{0, 3}}}})
		},
		"the best match is first by relevance": func(b *bench) {
			b.put(1, "whale whale whale")
			b.put(2, "a whale among many other words that are about something else entirely")
			r := Recording(3)
			r.Title = "Whale"
			b.add(r, "nothing of the kind")
			page, err := b.Transcripts(b.Context(), store.Filter{Query: "whale"}, store.Page{Sort: store.ByRelevance})
			var got []string
			for _, s := range page.Data {
				got = append(got, s.Recording)
			}
			if err != nil || !slices.Equal(got, ids(3, 1, 2)) {
				b.Errorf("%q, %v", got, err)
			}
		},
		"recordings are found by any of their texts": func(b *bench) {
			b.put(1, "mixed")
			left := store.Key{Recording: ID(1), Track: "left", Task: store.TaskTranscribe}
			b.revise(left, store.KindFirst, "something special")
			for query, want := range map[string]int{"mixed": 1, "special": 1, "mixed special": 1, "none": 0} {
				page, err := b.Recordings(b.Context(), store.Filter{Query: query}, store.Page{})
				if err != nil || len(page.Data) != want {
					b.Errorf("%q: %d recordings, %v", query, len(page.Data), err)
				}
				if want == 1 && len(page.Data) == 1 && len(page.Data[0].Snippets) == 0 {
					b.Errorf("%q: no snippet", query)
				}
			}
			found, err := b.Transcripts(b.Context(), store.Filter{Query: "special"}, store.Page{})
			if err != nil || len(found.Data) != 1 || found.Data[0].Key != left {
				b.Errorf("transcripts: %+v, %v", found.Data, err)
			}
		},
	}
}
