@0xbdf87d7bb8304e81;
# What mpipc's schemas need of the file of this name that Cap'n Proto ships: same ids, own words.

$namespace("capnp::annotations");

annotation namespace(file) :Text;
# The C++ namespace of everything that is generated from the file.

annotation name(field, enumerant, struct, enum, interface, method, param, group, union) :Text;
# What a declaration is called in generated C++ code, where that differs from its schema name.
