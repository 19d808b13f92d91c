"""Runs moto's server with one request at a time, since it iterates over its secrets while another thread changes them."""

import sys
import threading

from moto import server

turn = threading.Lock()


class InTurn(server.DomainDispatcherApplication):
    def __call__(self, environ, start_response):
        with turn:
            return list(super().__call__(environ, start_response))


server.DomainDispatcherApplication = InTurn
server.main(sys.argv[1:])
