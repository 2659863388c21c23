"""The sheet that an officer serves: one page that shows and proves a violation."""
