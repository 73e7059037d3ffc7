package dictate

// Replace is what publishes a second pass.
var Replace = replace
