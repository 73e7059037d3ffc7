// Package model knows which speech models exist, installs them on the machine and guarantees their integrity: a
// catalogue, pull with resume, verification before every use, the selected model and the user's own models.
//
// A model is a folder below the models folder:
//
//	models/
//	  selected              the id chosen with "scout models use"
//	  models.lock           sums recorded at the first pull (docs/formats/models-lock.md)
//	  <id>/model.json       what was installed: files, sizes, SHA-256, source
//	  <id>/<files>          as the publisher names them
//	  <id>.partial/         a pull in progress, or one that was interrupted; the next pull resumes it
//	  <own>/model.toml      a user's own model (docs/formats/model-toml.md)
//
// No file reaches an engine before its size and SHA-256 were compared with their records: the native loader ends its
// whole process on a bad file. Decisions: docs/adr/0006.
package model
