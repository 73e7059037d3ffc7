// Package store says what Scout remembers: recordings, the versions of their transcripts, titles, tags and labels, and a
// journal of events. It holds the nouns, the interface that a database implements, and what all databases share. Package
// store/sqlite is the implementation; package store/storetest holds the tests that each implementation must pass.
//
// # Use
//
//	st, err := sqlite.Open(ctx, filepath.Join(dataDir, sqlite.FileName), sqlite.Options{Scope: scope})
//	defer st.Close()
//
//	// A write is a transaction. It is durable when Update returns nil, and leaves nothing behind otherwise.
//	err = st.Update(ctx, func(tx store.Tx) error {
//		if _, err := tx.PutRecording(store.Recording{ID: id, Source: store.SourceUpload, StartedAt: now}); err != nil {
//			return err
//		}
//		_, err := tx.PutTranscript(store.Put{Key: store.MainKey(id), Kind: store.KindFirst, Transcript: transcript, Once: jobID})
//		return err
//	})
//
//	// Reads see the last committed state, and neither wait for writes nor delay them.
//	page, err := st.Transcripts(ctx, store.Filter{Query: `meeting "next week"`}, store.Page{Limit: 50})
//	next, err := st.Transcripts(ctx, filter, store.Page{Limit: 50, Cursor: page.Next})
//
//	// The store writes an event for each change into the stream "events". Live sessions write streams of their own. A checkpoint
//	// is committed with the events that it belongs to, so that another process can continue the session.
//	session, state, err := store.OpenSession(ctx, st, id)
//	last, err := session.Commit(ctx, checkpoint, store.NewEvent{Type: "committed", Data: data})
//	for event, err := range store.Follow(ctx, st, store.LiveStream(id), lastSeen) { … }
//
// Follow waits to be woken by the commit that wrote an event; nothing polls.
package store
