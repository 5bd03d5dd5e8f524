%% @private
%% @doc Lists of binaries as the kernel takes them.
-module(gosocket_iovec).

-export([drop/2]).

%% @doc Without the first so many bytes.
-spec drop(Bytes :: non_neg_integer(), erlang:iovec()) -> erlang:iovec().
drop(Bytes, [First | Rest]) when Bytes >= byte_size(First) ->
    drop(Bytes - byte_size(First), Rest);
drop(0, Iovec) ->
    Iovec;
drop(Bytes, [First | Rest]) ->
    [binary_part(First, Bytes, byte_size(First) - Bytes) | Rest].
