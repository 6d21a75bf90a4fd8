"""The bond with real sockets, interfaces and processes in network namespaces of their own."""
