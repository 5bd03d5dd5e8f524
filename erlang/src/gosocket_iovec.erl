%% @private
%% @doc Lists of binaries as the kernel takes them.
-module(gosocket_iovec).

-export([parts/1,
         too_many/1,
         drop/2]).

%% IOV_MAX of Linux.
-define(IOV_MAX, 1024).

%% The socket of OTP 23 joins binaries up to this size.
-define(SMALL, 255).

%% @doc One binary for each element of the iov. What erlang:iolist_to_iovec/1 joins and splits differs between
%% releases of OTP, and with it the answers that depend on the number.
-spec parts(Iov :: iodata()) -> erlang:iovec().
parts([Part | Rest]) when is_binary(Part) -> [Part | parts(Rest)];
parts([Part | Rest]) -> [iolist_to_binary([Part]) | parts(Rest)];
parts([]) -> [];
parts(ImproperTail) -> [iolist_to_binary(ImproperTail)].

%% @doc More than the kernel takes in one call. Small ones in a row count as one.
-spec too_many(erlang:iovec()) -> boolean().
too_many(Iovec) ->
    length(Iovec) > ?IOV_MAX andalso count(Iovec, 0) > ?IOV_MAX.

-spec count(erlang:iovec(), non_neg_integer()) -> non_neg_integer().
count([], Count) -> Count;
count([A, B | Rest], Count) when byte_size(A) =< ?SMALL, byte_size(B) =< ?SMALL -> count([B | Rest], Count);
count([_ | Rest], Count) -> count(Rest, Count + 1).

%% @doc Without the first so many bytes.
-spec drop(Bytes :: non_neg_integer(), erlang:iovec()) -> erlang:iovec().
drop(Bytes, [First | Rest]) when Bytes >= byte_size(First) ->
    drop(Bytes - byte_size(First), Rest);
drop(0, Iovec) ->
    Iovec;
drop(Bytes, [First | Rest]) ->
    [binary_part(First, Bytes, byte_size(First) - Bytes) | Rest].
