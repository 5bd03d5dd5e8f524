%% Requests that wait to be written together.

%% A batch goes out at either limit: the helper can start while the rest of the mailbox is read.
-define(BATCH_ITEMS, 32).
-define(BATCH_BYTES, (128 bsl 10)).

%% What stands in front of the call in a request, in the external term format, and how many bytes that is.
-define(REQUEST(Id), <<104, 2, 98, Id:32>>).
-define(REQUEST_HEAD, 7).

%% Whether an item of so many bytes does not fill a batch.
-define(SMALL_ITEM, (?BATCH_BYTES div 2)).
-define(IS_OPEN(Count, Bytes), Count < ?BATCH_ITEMS - 1, Bytes < ?BATCH_BYTES - ?SMALL_ITEM - ?REQUEST_HEAD).
