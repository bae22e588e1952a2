"""The same weights in other people's hands: `streamer bench peers`. All of one run, by turns, on one machine; what counts is the ratio."""
