// Package model knows which speech models there are, brings them onto the machine and answers for
// their integrity: a catalogue, pull with resume, verification before every use, the selected model
// and models of the user's own.
//
// A model is a folder below the models folder:
//
//	models/
//	  selected              the id chosen with "scout models use"
//	  models.lock           sums recorded at the first pull (docs/formats/models-lock.md)
//	  <id>/model.json       what was installed: files, sizes, SHA-256, source
//	  <id>/<files>          as the publisher names them
//	  <id>.partial/         a pull under way, or one that was interrupted and continues from there
//	  <own>/model.toml      a model of the user's own (docs/formats/model-toml.md)
//
// No file reaches an engine before its size and SHA-256 were compared with what is known of it: the
// native loader ends its whole process on a bad file. Decisions: docs/adr/0006.
package model
