"""Everything that can be declared, for the tests of the codecs."""
