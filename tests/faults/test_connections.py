"""A connection to the API serves one request."""

import socket
import threading
from contextlib import closing, suppress

from gpt_image_2_mcp.openai_api.client import make_http


def test_an_answer_that_came_twice_is_not_taken_for_that_of_the_next_request() -> None:
    """The wrong picture would be saved under the next prompt, and that one's own picture would be lost."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server, make_http(None) as http:

        def serve() -> None:
            for number in range(2):
                with closing(server.accept()[0]) as client, suppress(ConnectionError):
                    while client.recv(65536):
                        client.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}".encode() * 2)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert [http.post(url).text for _ in range(2)] == ["0", "1"]
