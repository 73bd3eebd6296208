"""A server on WebGPU whose device is lost while it answers: its clients are told, and it ends with an error and not by a signal."""

import os
import unittest

from support import CHAT, Server, user

LOST = "wgpu: llvmpipe"


class Lost(unittest.TestCase):
    def test_clients_are_told_and_the_server_ends(self):
        server = Server("--backend", "wgpu", env={"VK_DRIVER_FILES": os.environ["TERCET_FAULTY_MANIFEST"],
                                                  "VK_ICD_FILENAMES": os.environ["TERCET_FAULTY_MANIFEST"],
                                                  "FAULTY_VULKAN_SUBMISSIONS": "20"})
        try:
            status, answer = server.post(CHAT, {"messages": user("Count to a hundred."), "max_tokens": 200,
                                                "temperature": 0})
        finally:
            code, errors = server.stop(is_told=True)  # it ends by itself
        self.assertEqual(status, 500, answer)
        self.assertIn(LOST, answer["error"]["message"])
        self.assertIn("the device was lost", answer["error"]["message"])
        self.assertEqual(code, 1, errors)
        self.assertIn(f"tercet: error: {LOST}", errors)


if __name__ == "__main__":
    unittest.main()
