%% @private
%% @doc Copies of what follows a receive (`ahead' in docs/protocol.md), from which a lane serves receives without asking the
%% helper. The kernel keeps the bytes: what was taken is told by `took', and a copy may be forgotten at any time.
%%
%% A copy shows what the helper would give next if it follows the last request about its socket that may change that. So the
%% lane has, for each socket of which there has been a copy, the number of that request, or the copy that followed it. This stands in
%% the process dictionary, as calls do, under numbers below 0.
-module(gosocket_ahead).

-export([request/3,
         is_concerned/2,
         credit/2,
         sent/2,
         arrived/2,
         upset/1,
         closed/1,
         told/0,
         report/0,
         expire/0,
         forget_all/0]).

-include("gosocket.hrl").

%% Bytes of what was taken are told after so many milliseconds at the latest.
-define(REPORT, 10).

%% A copy that is not used between two looks of this distance is dropped.
-define(UNUSED, 500).

-define(KEY(Socket), (-1 - 2 * Socket)).
-define(SENDS(Socket), (-2 - 2 * Socket)).

%% Bytes of all sends ahead that the helper has not done with, which it has to keep.
-define(ALL_SENDS, '$gosocket_sends_ahead').
-define(MAX_ALL_SENDS, (16 bsl 20)).

%% A request above this is not taken apart unless it is one of gosocket_request.
-define(LARGE_HEAD, 4096).

%% Sockets of whose copies something was taken that was not told yet.
-define(UNTOLD, '$gosocket_untold').

%% Whether a look for copies that are not used is due.
-define(EXPIRING, '$gosocket_expiring').

-record(copy,
        {data :: binary(),
         %% what a receive for all there is would get at most; 0: it is not served
         all :: non_neg_integer(),
         offset = 0 :: non_neg_integer(),
         %% taken and not told yet: bytes, by how many calls, and the most by one
         bytes = 0 :: non_neg_integer(),
         calls = 0 :: non_neg_integer(),
         largest = 0 :: non_neg_integer(),
         used = true :: boolean()}).

%% What the lane is to do: ask the helper; the same, ahead of that telling something; give this to the caller; or say that it is
%% sent, and hand it over.
-type verdict() :: ask | {tell, gosocket_term:item()} | {give, Data :: binary(), gosocket_term:item() | none}
                 | {hand_over, gosocket_term:item()}.

-include("gosocket_reload.hrl").

%% @doc A call is about to become request Id.
-spec request(gosocket_lane:entry(), gosocket_term:item(), Id :: non_neg_integer()) -> verdict().
request({_, Tag, write, _, Socket}, Item, _Id) when is_reference(Tag) ->
    case get(?SENDS(Socket)) of
        {Credit, Ahead} when Ahead < Credit -> send(whole(Item), Socket, Credit, Ahead);
        _ -> ask
    end;
request({_, _, write, _, _}, _Item, _Id) ->
    ask;
request({Pid, Tag, Class, _, Socket}, Item, Id) when is_integer(Socket) ->
    case get(?KEY(Socket)) of
        #copy{} = Copy when Class =:= read, is_reference(Tag) -> serve(Copy, length_of(Item), Pid, Socket, Id);
        #copy{} = Copy -> dropped(Copy, Socket, Id);
        undefined -> ask;
        _Last ->
            put(?KEY(Socket), Id),
            ask
    end;
request(_Entry, _Item, _Id) ->
    ask.

%% @doc Whether more is to be done about a call that is to be request Id than to ask the helper. Where there is a copy of what follows, or
%% sends are ahead, that is what {@link request/3} says.
-spec is_concerned(gosocket_lane:kept(), Id :: non_neg_integer()) -> boolean().
is_concerned({_, _, Socket}, Id) -> has_copy(Socket, Id);
is_concerned({_, _, write, Socket}, _Id) -> get(?SENDS(Socket)) =/= undefined;
is_concerned({_, _, write, _, Socket}, _Id) -> get(?SENDS(Socket)) =/= undefined;
is_concerned({_, _, _, _, Socket}, Id) -> is_integer(Socket) andalso has_copy(Socket, Id).

-spec has_copy(non_neg_integer(), Id :: non_neg_integer()) -> boolean().
has_copy(Socket, Id) ->
    case get(?KEY(Socket)) of
        undefined ->
            false;
        #copy{} ->
            true;
        _Last ->
            put(?KEY(Socket), Id),
            false
    end.

-spec serve(#copy{}, non_neg_integer() | none, pid(), non_neg_integer(), non_neg_integer()) -> verdict().
serve(#copy{all = All} = Copy, 0, Pid, Socket, Id) when All > 0 ->
    serve(Copy, All, Pid, Socket, Id);
serve(#copy{data = Data, offset = Offset} = Copy, Length, Pid, Socket, Id)
  when is_integer(Length), Length > 0, Offset + Length =< byte_size(Data) ->
    case is_process_alive(Pid) of
        true -> taken(Copy, Length, Socket, Id);
        false -> dropped(Copy, Socket, Id)
    end;
serve(Copy, _Length, _Pid, Socket, Id) ->
    dropped(Copy, Socket, Id).

-spec taken(#copy{}, pos_integer(), non_neg_integer(), non_neg_integer()) -> verdict().
taken(#copy{data = Data, offset = Offset, bytes = Bytes, calls = Calls, largest = Largest} = Copy, Length, Socket, Id) ->
    Part = binary_part(Data, Offset, Length),
    Now = Copy#copy{offset = Offset + Length, bytes = Bytes + Length, calls = Calls + 1, largest = max(Length, Largest), used = true},
    case byte_size(Data) - Offset of
        Length ->
            put(?KEY(Socket), Id),
            {give, Part, took(Now, Socket, 0)};
        _ ->
            put(?KEY(Socket), Now),
            Bytes =:= 0 andalso untold(Socket),
            {give, Part, none}
    end.

-spec dropped(#copy{}, non_neg_integer(), non_neg_integer()) -> {tell, gosocket_term:item()}.
dropped(Copy, Socket, Id) ->
    put(?KEY(Socket), Id),
    {tell, took(Copy, Socket, 0)}.

-spec took(#copy{}, non_neg_integer(), Left :: non_neg_integer()) -> gosocket_term:item().
took(Copy, Socket, Left) ->
    gosocket_term:item(taking(Copy, Socket, Left)).

-spec taking(#copy{}, non_neg_integer(), Left :: non_neg_integer()) -> tuple().
taking(#copy{bytes = Bytes, calls = Calls, largest = Largest}, Socket, Left) ->
    {took, Socket, Bytes, Calls, Largest, Left}.

-spec untold(non_neg_integer()) -> ok.
untold(Socket) ->
    case get(?UNTOLD) of
        [_ | _] = Sockets ->
            put(?UNTOLD, [Socket | Sockets]);
        _ ->
            put(?UNTOLD, [Socket]),
            erlang:start_timer(?REPORT, self(), took)
    end,
    ok.

%% How much a receive without flags wants. Those of gosocket_request are taken apart here.
-spec length_of(gosocket_term:item()) -> non_neg_integer() | none.
length_of(<<104, 7, 119, 4, "recv", Subject/binary>> = Item) ->
    {_Socket, Process} = integer(Subject),
    case integer(Process) of
        {_Process, <<98, Length:32, 106, _/binary>>} -> Length;
        _ -> any_length(Item)
    end;
length_of(Item) when is_binary(Item) ->
    any_length(Item);
length_of(_) ->
    none.

-spec any_length(binary()) -> non_neg_integer() | none.
any_length(Item) ->
    case binary_to_term(<<131, Item/binary>>) of
        {recv, _Socket, _Process, Length, [], _Timeout, _Ref} when is_integer(Length), Length >= 0 -> Length;
        _ -> none
    end.

%% A term in front, if it is an integer from 0 up.
-spec integer(binary()) -> {non_neg_integer(), Rest :: binary()} | none.
integer(<<97, N, Rest/binary>>) -> {N, Rest};
integer(<<98, N:32, Rest/binary>>) -> {N, Rest};
integer(<<110, Size, 0, N:Size/little-unit:8, Rest/binary>>) -> {N, Rest};
integer(_) -> none.

-spec send(binary() | none, non_neg_integer(), pos_integer(), non_neg_integer()) -> ask | {hand_over, gosocket_term:item()}.
send(<<_, _/binary>> = Data, Socket, Credit, Ahead) when Ahead + byte_size(Data) =< Credit ->
    All = all_sends() + byte_size(Data),
    case All =< ?MAX_ALL_SENDS of
        true ->
            put(?ALL_SENDS, All),
            put(?SENDS(Socket), {Credit, Ahead + byte_size(Data)}),
            {hand_over, gosocket_term:item({send_ahead, Socket}, Data)};
        false ->
            ask
    end;
send(_, _, _, _) ->
    ask.

-spec all_sends() -> non_neg_integer().
all_sends() ->
    case get(?ALL_SENDS) of
        undefined -> 0;
        All -> All
    end.

%% The payload of a send without flags, if all of it is in the request.
-spec whole(gosocket_term:item()) -> binary() | none.
whole([<<104, 8, 119, 4, "send", Subject/binary>> = Head | Data]) when is_binary(Data) ->
    {_Socket, Process} = integer(Subject),
    case integer(Process) of
        {_Process, <<106, 119, 8, "infinity", 106, 98, Size:32, 109, Size:32>>} -> Data;
        {_Process, <<106, 119, 8, "infinity", 106, 98, _/binary>>} -> none;
        _ -> any_whole(Head, Data)
    end;
whole([Head | Data]) when is_binary(Data) ->
    any_whole(Head, Data);
whole(Item) when is_binary(Item), byte_size(Item) =< ?LARGE_HEAD ->
    sent_whole(binary_to_term(<<131, Item/binary>>));
whole(_) ->
    none.

%% What stands in front of the data ends with their size.
-spec any_whole(binary(), binary()) -> binary() | none.
any_whole(Head, Data) when byte_size(Head) =< ?LARGE_HEAD ->
    Before = binary_part(Head, 0, byte_size(Head) - 4),
    case sent_whole(binary_to_term(<<131, Before/binary, 0:32>>), byte_size(Data)) of
        <<>> -> Data;
        none -> none
    end;
any_whole(_, _) ->
    none.

-spec sent_whole(tuple()) -> binary() | none.
sent_whole(Call) -> sent_whole(Call, byte_size(element(tuple_size(Call), Call))).

-spec sent_whole(tuple(), Bytes :: non_neg_integer()) -> binary() | none.
sent_whole({send, _Socket, _Process, [], _Timeout, _Ref, Size, Data}, Size) -> Data;
sent_whole(_, _) -> none.

%% @doc So many bytes may be ahead from now on.
-spec credit(Socket :: non_neg_integer(), Bytes :: non_neg_integer()) -> ok.
credit(Socket, Bytes) ->
    case get(?SENDS(Socket)) of
        undefined -> put(?SENDS(Socket), {Bytes, 0});
        {_, Ahead} -> put(?SENDS(Socket), {Bytes, Ahead})
    end,
    ok.

%% @doc The helper is done with so many of them.
-spec sent(Socket :: non_neg_integer(), Bytes :: non_neg_integer()) -> ok.
sent(Socket, Bytes) ->
    case get(?SENDS(Socket)) of
        {Credit, Ahead} ->
            put(?SENDS(Socket), {Credit, Ahead - Bytes}),
            put(?ALL_SENDS, all_sends() - Bytes);
        undefined ->
            ok
    end,
    ok.

%% @doc A copy has come: it follows the answer to request Id. It is of use if the lane has not sent another
%% request since that it could show up in; of a socket that has had none this is not known.
-spec arrived(Id :: non_neg_integer(), Rest :: binary()) -> none | gosocket_term:item().
arrived(Id, Rest) ->
    {Socket, <<98, All:32, 109, Size:32, Data:Size/binary>>} = integer(Rest),
    case get(?KEY(Socket)) of
        Id ->
            put(?KEY(Socket), #copy{data = Data, all = All}),
            expiring(),
            none;
        Last ->
            Last =:= undefined andalso put(?KEY(Socket), unknown),
            took(#copy{data = Data, all = All}, Socket, 0)
    end.

%% @doc What the helper gives next on this socket is going to be something else: bytes were handed back.
-spec upset(Socket :: non_neg_integer() | boolean()) -> ok.
upset(Socket) when is_integer(Socket) ->
    case get(?KEY(Socket)) of
        Id when is_integer(Id) ->
            put(?KEY(Socket), unknown),
            ok;
        _ ->
            ok
    end;
upset(_) ->
    ok.

-spec closed(Socket :: non_neg_integer()) -> ok.
closed(Socket) ->
    _ = erase(?KEY(Socket)),
    case erase(?SENDS(Socket)) of
        {_, Ahead} -> put(?ALL_SENDS, all_sends() - Ahead);
        undefined -> ok
    end,
    ok.

%% @doc Everything that was taken and not told yet.
-spec told() -> [tuple()].
told() ->
    case get(?UNTOLD) of
        [_ | _] = Sockets -> lists:append([tell(Socket) || Socket <- lists:usort(Sockets)]);
        _ -> []
    end.

-spec tell(non_neg_integer()) -> [tuple()].
tell(Socket) ->
    case get(?KEY(Socket)) of
        #copy{data = Data, offset = Offset, bytes = Bytes} = Copy when Bytes > 0 ->
            put(?KEY(Socket), Copy#copy{bytes = 0, calls = 0, largest = 0}),
            [taking(Copy, Socket, byte_size(Data) - Offset)];
        _ ->
            []
    end.

%% @doc The time to tell has come.
-spec report() -> [tuple()].
report() ->
    Told = told(),
    put(?UNTOLD, []),
    Told.

%% @doc The time has come to look for copies that nobody uses. Those that are left are looked for again.
-spec expire() -> [tuple()].
expire() ->
    Copies = copies(),
    erase(?EXPIRING),
    Used = [{Key, Copy} || {Key, #copy{used = true} = Copy} <- Copies],
    lists:foreach(fun({Key, Copy}) -> put(Key, Copy#copy{used = false}) end, Used),
    Used =:= [] orelse expiring(),
    lists:append([forget(Key, Copy) || {Key, #copy{used = false} = Copy} <- Copies]).

%% @doc No copy is to be used any more.
-spec forget_all() -> [tuple()].
forget_all() ->
    lists:append([forget(Key, Copy) || {Key, Copy} <- copies()]).

-spec copies() -> [{neg_integer(), #copy{}}].
copies() ->
    [{Key, Copy} || {Key, #copy{} = Copy} <- get()].

-spec forget(neg_integer(), #copy{}) -> [tuple()].
forget(Key, Copy) ->
    put(Key, unknown),
    [taking(Copy, (-1 - Key) div 2, 0)].

-spec expiring() -> ok.
expiring() ->
    get(?EXPIRING) =:= true orelse begin put(?EXPIRING, true), erlang:start_timer(?UNUSED, self(), copies) end,
    ok.
