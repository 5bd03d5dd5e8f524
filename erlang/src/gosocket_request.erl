%% @private
%% @doc The requests of every day as the helper reads them and what the lane keeps of them, written by hand, and short: one of up to 64 bytes lives
%% on the heaps of caller and lane, a longer one is a binary that both have to count references of.
-module(gosocket_request).

-export([recv/2,
         send/3,
         kept/5,
         entry/1]).

%% Improper on purpose: a binary as the tail saves a cell.
-dialyzer({no_improper_lists, [send/3]}).

%% Parts of the external term format: docs/protocol.md shows them at work. Integers are below 2^31.
-define(CALL(Arity, Name), 104, Arity, 119, 4, Name).
-define(INT(N), 98, N:32).
-define(NIL, 106).
-define(INFINITY, 119, 8, "infinity").

-include("gosocket_reload.hrl").

%% @doc `{recv, Socket, Process, Length, [], infinity, []}'. The subject is socket and process in that format.
-spec recv(Subject :: binary(), Length :: non_neg_integer()) -> gosocket_term:item().
recv(Subject, Length) ->
    <<?CALL(7, "recv"), Subject/binary, ?INT(Length), ?NIL, ?INFINITY, ?NIL>>.

%% @doc `{send, Socket, Process, [], infinity, [], Size, First}', with the first bytes of the payload.
-spec send(Subject :: binary(), Size :: non_neg_integer(), First :: binary()) -> gosocket_term:item().
send(Subject, Size, First) ->
    [<<?CALL(8, "send"), Subject/binary, ?NIL, ?INFINITY, ?NIL, ?INT(Size), 109, (byte_size(First)):32>> | First].

%% @doc What the lane is to keep of a call.
-spec kept(pid(), reference(), gosocket_wait:class(), reference() | [], Socket :: non_neg_integer()) -> gosocket_lane:kept().
kept(Pid, Tag, read, [], Socket) -> {Pid, Tag, Socket};
kept(Pid, Tag, write, [], Socket) -> {Pid, Tag, write, Socket};
kept(Pid, Tag, Class, Ref, Socket) -> {Pid, Tag, Class, Ref, Socket}.

%% @doc The call that this stands for.
-spec entry(gosocket_lane:kept()) -> gosocket_lane:entry().
entry({Pid, Tag, Socket}) -> {Pid, Tag, read, [], Socket};
entry({Pid, Tag, write, Socket}) -> {Pid, Tag, write, [], Socket};
entry(Entry) -> Entry.
